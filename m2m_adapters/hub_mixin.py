"""``from_pretrained``, ``save_pretrained`` and ``push_to_hub``, as the hub's library has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin  # noqa: TID253  imported by whoever wants the hub

from m2m_adapters.adapter import Adapter, load_adapter
from m2m_adapters.hub import write_folder


class HubAdapter(ModelHubMixin, library_name="m2m-adapters"):  # type: ignore[misc, call-arg]
    """An adapter with the methods that users of the hub expect; ``adapter`` is the thing itself.

    Unlike the library's own mixin for torch it reads safetensors only, and strictly.
    """

    def __init__(self, adapter: Adapter, repo: str = "") -> None:
        self.adapter = adapter
        self.repo = repo
        self._hub_mixin_config = None  # adapter.json says it all; no config.json beside it

    def _save_pretrained(self, save_directory: Path) -> None:
        write_folder(self.adapter, Path(save_directory), self.repo)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        **options: Any,
    ) -> HubAdapter:
        """An adapter of the hub or of a folder; options as ``load_adapter`` takes them."""
        # The library's own would ask for a config.json first, which an adapter does not have.
        name = str(pretrained_model_name_or_path)
        is_folder = Path(name).is_dir()
        told = f"{name}@{revision}" if revision and not is_folder else name
        return cls(load_adapter(told, **options), "" if is_folder else name)
