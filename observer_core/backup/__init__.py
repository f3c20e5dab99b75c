"""Backup packages on either side: the server's, and any PC with plain Python 3.11; standard library only."""
