"""Models of these tests are as small as those of the trainer's."""

from tests.train.conftest import one_thread

__all__ = ["one_thread"]
