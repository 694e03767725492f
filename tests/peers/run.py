"""Try a feature on a candidate, in a process of its own."""

import multiprocessing
import traceback
import warnings
from importlib import import_module
from multiprocessing.connection import Connection

from stepplan.sandbox import Sandbox
from tests.peers.candidates import Candidate
from tests.peers.features import ACCEPTED, Bench, Feature

SECONDS = 90


def outcome(candidate: Candidate, feature: Feature) -> str:
    """What went wrong; empty if it works."""
    import_module(candidate.module)  # here, so that the process need not
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_try, args=(candidate, feature, sender))
    process.start()
    sender.close()
    try:
        told: str = receiver.recv() if receiver.poll(SECONDS) else f"no end after {SECONDS} s"
    except EOFError:
        told = "the process died"
    process.kill()
    process.join()
    return told


def _try(candidate: Candidate, feature: Feature, results: Connection) -> None:
    warnings.simplefilter("ignore")
    with Sandbox(models=ACCEPTED) as plan:
        try:
            feature.check(Bench(candidate, plan))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
            told = " ".join(traceback.format_exception_only(error)[-1].split())[:160]
            results.send(told.replace(plan.base_url, "…"))
        else:
            results.send("")
