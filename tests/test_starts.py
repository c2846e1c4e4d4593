"""Several random starts of a training: the best by held-out loss goes on, also after a kill."""

import functools

import pytest

import m2m_adapters as m2m
from m2m_adapters.alignment import train
from m2m_adapters.errors import UserError
from m2m_adapters.testing.toys import AffineTarget, ToySource, toy_sentences

SENTENCES = list(toy_sentences(200))


class Filed(ToySource):
    fingerprint = "toy source"


def aligned(store=False, **changes):
    return m2m.align(
        Filed(), AffineTarget(), SENTENCES, recipe="paper", store=store, progress=False, bank=False,
        **{"epochs": 6, "starts": 3, **changes},
    )  # fmt: skip


def test_the_best_of_three_goes_on():
    best, first = aligned(), aligned(starts=1)
    starts = best.record.held_out.starts
    assert len(starts) == 3 and len(set(starts)) == 3 and first.record.held_out.starts == []
    assert best.record.recipe.starts == 3 and first.record.recipe.starts == 1
    assert len(best.record.curve) == 7
    # Its curve is that of the chosen start, which had the least loss after a third of the epochs.
    losses = [point.held_out_loss for point in best.record.curve]
    assert min(losses[:3]) == pytest.approx(min(starts), rel=1e-6)
    if starts[0] == min(starts):
        assert best.digest == first.digest
    assert aligned().digest == best.digest


@pytest.mark.parametrize("stop", [3, 8])
def test_killed_it_goes_on_to_the_same_result(tmp_path, monkeypatch, stop):
    class Stop(Exception):
        pass

    real, trained = train._Training.one_epoch, []

    def one_epoch(self):
        if len(trained) == stop and not trained_before:
            raise Stop
        trained.append(self.epoch)
        real(self)

    monkeypatch.setattr(train._Training, "one_epoch", one_epoch)
    monkeypatch.setattr(train, "Checkpoint", functools.partial(train.Checkpoint, every=0))
    trained_before = [True]
    whole = aligned(m2m.Store(tmp_path / "whole"))
    assert len(trained) == 10  # two epochs of each, and four more of the best
    trained_before.clear()
    trained.clear()
    with pytest.raises(Stop):
        aligned(m2m.Store(tmp_path / "stopped"))
    trained_before.append(True)
    again = aligned(m2m.Store(tmp_path / "stopped"))
    assert len(trained) == 10 and again.digest == whole.digest
    assert again.record.held_out.starts == whole.record.held_out.starts


def test_starts_that_cannot_be():
    with pytest.raises(UserError, match="from 1 to the number of epochs"):
        aligned(starts=7)
    with pytest.raises(UserError, match="there is one start"):
        m2m.align(Filed(), AffineTarget(), SENTENCES, recipe="refined", starts=2, progress=False)
    with pytest.warns(UserWarning, match="'starts' has no effect"):
        m2m.align(
            Filed(), AffineTarget(), SENTENCES, recipe="closed-form", starts=2, store=False,
            progress=False,
        )  # fmt: skip
