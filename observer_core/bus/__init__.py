"""ZeroMQ sockets between the processes: publication, status, request and reply."""
