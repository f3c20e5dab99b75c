"""The archive on disk: its layout and its life cycle."""
