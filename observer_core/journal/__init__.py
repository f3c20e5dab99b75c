"""The write-ahead journal of a shard: format, writer, reader."""
