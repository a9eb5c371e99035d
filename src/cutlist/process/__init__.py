"""What long work needs of its process: progress and Ctrl-C, threads in order, one at a time, temporary folders."""
