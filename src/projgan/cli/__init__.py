"""The command line: a file a command, which reads arguments and prints what a workflow returns."""
