"""The suites of m2m-adapters, run on this plugin's own models."""

from m2m_adapters.testing import ModalityModelSuite, TextEncoderSuite

from {{package}}.models import Letters, Words


class TestLetters(TextEncoderSuite):  # a source that takes speech adds `speech`: three sounds
    def make(self):
        return Letters()


class TestWords(ModalityModelSuite):
    def make(self):
        return Words()

    def items(self):
        return ["dog", "violin", "thunderstorm"]
