"""The broker: its wire format, REST and stream clients, credentials and listing files."""
