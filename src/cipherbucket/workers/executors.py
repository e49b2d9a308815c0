"""The answers of executors: of the standard library, and of Dask.

Rule: a worker that died, or was stopped, is one error of ours, whatever the executor raises for it.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, CancelledError, Future
from typing import TypeVar

from cipherbucket.errors import CipherbucketError, WorkerLostError

Result = TypeVar("Result")


def result_of(future: Future[Result], lost: WorkerLostError) -> Result:
    """Return what a worker answered; wait for it.

    Args:
        future: From the executor.
        lost: What is raised where the worker died, or was stopped.

    Raises:
        WorkerLostError: ``lost``.
        Exception: What the work raised.
    """
    try:
        return future.result()
    except CipherbucketError:
        raise
    except (BrokenExecutor, CancelledError) as error:
        raise lost from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "distributed":
            raise lost from error
        raise
