"""What holds while things break: plans of faults, load from outside, a recorded history, and checkers that judge it."""
