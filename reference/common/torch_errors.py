"""What torch's errors mean."""

# By this name in the message, a RuntimeError of torch is known to mean that memory ran out.
TORCH_ALLOCATOR = "DefaultCPUAllocator"
