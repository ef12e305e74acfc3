"""The program that runs in pods and tries connections, and the client that drives it."""
