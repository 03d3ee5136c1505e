"""Things counted in words."""

__all__ = ["plural"]


def plural(count: int, what: str) -> str:
    """Counts things: 2 categories of 3.

    Example:
        >>> plural(2, "category of 3"), plural(1, "number"), plural(2, "yes/no")
        ('2 categories of 3', '1 number', '2 yes/no')
    """
    if count == 1 or what == "yes/no":
        return f"{count:,} {what}"
    head, _, rest = what.partition(" ")
    many = f"{head[:-1]}ies" if head.endswith("y") else f"{head}s"
    return f"{count:,} {many} {rest}".rstrip()
