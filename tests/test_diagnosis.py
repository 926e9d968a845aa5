"""Where an error was raised, without a value."""

from penstock.diagnosis import frames_of, where


def broken(depth: int) -> None:
    if depth:
        broken(depth - 1)
    raise ValueError("hunter2")


def caught(depth: int) -> ValueError:
    try:
        broken(depth)
    except ValueError as error:
        return error
    raise AssertionError


def test_frames_name_module_line_and_function() -> None:
    """The frames lead to the line that raised, and hold neither the text of the error nor source."""
    error = caught(0)
    line = broken.__code__.co_firstlineno + 3
    assert frames_of(error)[-1] == f"{__name__}:{line} broken"
    assert frames_of(error)[0].endswith(" caught")
    assert where(error) == f"ValueError at {__name__}:{line} broken"
    assert "hunter2" not in str(frames_of(error))


def test_a_deep_stack_is_cut_at_its_start() -> None:
    """Of a deep stack the frames next to the error are kept."""
    assert len(frames_of(caught(100))) == 16
    assert {frame.split()[1] for frame in frames_of(caught(100))} == {"broken"}


def test_an_error_that_was_not_raised_has_no_frames() -> None:
    """An error without a traceback is named by its class alone."""
    assert (frames_of(ValueError("x")), where(ValueError("x"))) == ((), "ValueError")
