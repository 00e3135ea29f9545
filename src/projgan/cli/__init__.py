"""The command line: one file a command, which reads arguments, calls a workflow and prints the result."""
