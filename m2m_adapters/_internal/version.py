"""The version of the core; `m2m_adapters.__version__` shows it."""

__version__ = "0.1.0"
