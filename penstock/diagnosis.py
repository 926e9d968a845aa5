"""Where an error was raised, for the log: modules, lines and functions, and no value."""

from traceback import walk_tb

_MOST_FRAMES = 16


def frames_of(error: BaseException) -> tuple[str, ...]:
    """Return the frames of an error, as `module:line function`; the last one is where it was raised.

    Neither the text of the error nor a line of source is in them: both may hold values. Of a deep stack the first
    frames are left out.
    """
    frames = [
        f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_qualname}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    return tuple(frames[-_MOST_FRAMES:])


def where(error: BaseException) -> str:
    """Return the class of an error and its last frame, as one line."""
    frames = frames_of(error)
    return f"{type(error).__name__} at {frames[-1]}" if frames else type(error).__name__
