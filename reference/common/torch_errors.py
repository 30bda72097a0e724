"""What errors of torch, and of libraries like it, say to a user."""

# By this name in the message, a RuntimeError of torch is known to mean that memory ran out.
_ALLOCATOR = "DefaultCPUAllocator"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, which is no fault of what was being run."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _ALLOCATOR in str(error)
    )


def first_line(error: BaseException) -> str:
    """The first line of a message that goes on with a stack trace; the error's class if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
