"""Reading the errors of torch and of similar libraries."""

# A RuntimeError of torch with this name in its message means that memory ran out.
_ALLOCATOR = "DefaultCPUAllocator"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out, which says nothing about the model that was run."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _ALLOCATOR in str(error)
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error message without its stack trace, or the error's class without a message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
