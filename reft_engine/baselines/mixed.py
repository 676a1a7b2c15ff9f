"""Rows of one batch, each with the weights of another baseline or with none: LoRA through PEFT's ``adapter_names``, and (IA)3.

PEFT 0.21 refuses ``adapter_names`` for DoRA, and ignores them for (IA)3, whose vectors are multiplied here, row by row.

Legend: B rows, T tokens, D width of a layer's input or output.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from reft_engine.baselines.peft import PeftBaseline, quiet_libraries
from reft_engine.baselines.twin import twin

_BARE = "__base__"
"""PEFT's name for a row without an adapter."""
_MOST = 64
"""Adapters that are kept in the layers; more are made room for."""
_WEIGHTS = ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B")


def can_mix(model: Any) -> bool:
    """Whether rows with this model can be answered in one batch with rows without it."""
    return isinstance(model, PeftBaseline) and model.method_config.method in ("lora", "ia3") and not model.training


class MixedWeights:
    """A twin of a base model whose rows have the weights of different baselines; the weights themselves are shared, not copied."""

    def __init__(self, model: nn.Module) -> None:
        self.model: Any = twin(model)
        self._peft: Any = None
        self._names: WeakKeyDictionary[PeftBaseline, str] = WeakKeyDictionary()
        self._rows: Sequence[PeftBaseline | None] = ()
        self._adapter_names: list[str] = []
        self._scaled: set[str] = set()
        self._made = 0

    @contextmanager
    def of_rows(self, rows: Sequence[PeftBaseline | None]) -> Iterator[nn.Module]:
        """The model to run inside the ``with``, where row i has the weights of ``rows[i]``."""
        wanted = dict.fromkeys(row for row in rows if row is not None)
        for baseline in wanted:
            self._add(baseline, wanted)
        self._rows = rows
        self._adapter_names = [self._names.get(row, _BARE) if row is not None else _BARE for row in rows]
        try:
            yield self.model
        finally:
            self._rows, self._adapter_names = (), []

    def _add(self, baseline: PeftBaseline, wanted: Any) -> None:
        if baseline.method_config.method == "ia3":
            self._add_scales(baseline)
        elif baseline not in self._names:
            self._make_room(wanted)
            self._add_products(baseline)

    def _make_room(self, wanted: Any) -> None:
        """Take adapters out of the layers that no row of this pass has; those of baselines that are gone first."""
        kept = set(self._names.values())
        gone = [name for name in (self._peft.peft_config if self._peft else ()) if name not in kept]
        for baseline, name in list(self._names.items()):
            if len(self._names) >= _MOST and baseline not in wanted:
                gone.append(name)
                del self._names[baseline]
        with quiet_libraries():
            for name in gone:
                self._peft.delete_adapter(name)

    # LoRA

    def _add_products(self, baseline: PeftBaseline) -> None:
        """Put a baseline's matrices into PEFT's layers, as they are."""
        from peft import PeftModel
        from peft.tuners.lora import LoraLayer

        self._made += 1
        name, config = f"row{self._made}", baseline.peft.peft_config["default"]
        with quiet_libraries(), torch.random.fork_rng(_devices(self.model)):
            if self._peft is None:
                self._peft = PeftModel(self.model, config, adapter_name=name, low_cpu_mem_usage=True)
            else:
                self._peft.add_adapter(name, config, low_cpu_mem_usage=True)
        for path, layer in baseline.peft.get_base_model().named_modules():
            if not isinstance(layer, LoraLayer):
                continue
            target = self.model.get_submodule(path)
            for kind in _WEIGHTS:
                if "default" in (weights := getattr(layer, kind)):
                    getattr(target, kind)[name] = weights["default"]
            target.lora_dropout[name] = nn.Identity()
            if not any(hook is self._name_rows for hook in target._forward_pre_hooks.values()):
                target.register_forward_pre_hook(self._name_rows, with_kwargs=True)
        self._peft.eval()
        self._names[baseline] = name

    def _name_rows(self, _layer: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What PEFT's own hook does for ``adapter_names``, without a walk over all modules in each pass."""
        return args, {**kwargs, "adapter_names": self._adapter_names}

    # (IA)3

    def _add_scales(self, baseline: PeftBaseline) -> None:
        from peft.tuners.ia3 import IA3Layer

        for path, layer in baseline.peft.get_base_model().named_modules():
            if not isinstance(layer, IA3Layer) or path in self._scaled:
                continue
            self._scaled.add(path)
            target = self.model.get_submodule(path)
            if layer.is_feedforward:
                target.register_forward_pre_hook(lambda _layer, args, path=path: (self._scale(path, args[0]), *args[1:]))
            else:
                target.register_forward_hook(lambda _layer, _args, output, path=path: self._scale(path, output))

    def _scale(self, path: str, values_BTD: Tensor) -> Tensor:
        """Values times the vector of each row's baseline."""
        from peft.tuners.ia3 import IA3Layer

        scaled = values_BTD
        for baseline in dict.fromkeys(self._rows):
            if baseline is None or baseline.method_config.method != "ia3":
                continue
            layer: Any = baseline.peft.get_base_model().get_submodule(path)
            if isinstance(layer, IA3Layer):
                rows = [index for index, row in enumerate(self._rows) if row is baseline]
                vector_D = layer.ia3_l["default"].flatten()
                product = (values_BTD[rows].to(vector_D.dtype) * vector_D).to(values_BTD.dtype)
                scaled = scaled.index_copy(0, torch.tensor(rows, device=values_BTD.device), product)
        return scaled


def _devices(model: nn.Module) -> list[torch.device]:
    device = next(model.parameters()).device
    return [device] if device.type == "cuda" else []


__all__ = ["MixedWeights", "can_mix"]
