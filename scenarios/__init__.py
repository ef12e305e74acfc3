"""What the system promises, one sentence a test. README.md in this folder says how to read and run them."""
