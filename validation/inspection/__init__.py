"""What is inside a program: operations, their origins, drift and cost."""
