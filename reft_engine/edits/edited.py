"""`EditedModel`: the forward pass of a frozen base model with edits of its hidden states, and the checks of what it is given.

Legend: B rows, T tokens (padded), D hidden size, V vocabulary.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import SequenceClassifierOutput

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base, bare_model
from reft_engine.edits.head import ClassificationHead, pool, pooling_of
from reft_engine.edits.interventions import Dropout, Factors, Intervention, build
from reft_engine.edits.plan import EditPlan, PlannedTokens, Prompts
from reft_engine.edits.precision import exact
from reft_engine.edits.trainer_side import TrainerSide
from reft_engine.errors import ConfigError
from reft_engine.positions import UNEDITED, PositionSpec, edited_tokens
from reft_engine.spec import Pooling, ReftConfig, edited_layers, trainable_parameters


class EditedModel(TrainerSide):
    """A base model that answers with the edits; the base model itself stays frozen and unedited.

    With ``reft_config.labels`` it classifies: a head, trained with the edits, reads the last hidden states. ``config`` is the base
    model's, as trainers expect it; see `TrainerSide`.

    Args:
        base_model: a Hugging Face decoder, encoder or encoder-decoder, also inside PEFT, or the `Base` that holds it; its
            parameters get ``requires_grad=False``.
        config: method, rank, layers and positions of the edits.
        seed: seed of the initial weights, 0 to 2**63 - 1.

    Raises:
        ConfigError: a layer does not exist, the rank is above the hidden size, the model's blocks are not found, the model reads no
            tokens, an encoder-decoder cannot begin an answer, or the seed is out of range.
    """

    def __init__(self, base_model: nn.Module | Base, config: ReftConfig, seed: int = 0) -> None:
        super().__init__()
        checks.check_config(config)
        model = base_of(base_model)
        count = blocks.attach(model)
        if config.labels is None and blocks.is_encoder_decoder(model) and blocks.generates_text(model):
            blocks.decoder_start_token(model)  # raises before training, which would end in an adapter that cannot be saved
        width = blocks.hidden_size(model)
        trainable_parameters(config, count, width)
        self.layers = edited_layers(config, count)
        model.requires_grad_(False).eval()
        # Not a registered submodule, so that `parameters()` and `state_dict()` hold the edits alone.
        object.__setattr__(self, "base", model)
        self.reft_config = config
        self.hidden_size = width
        self.positions = PositionSpec.parse(config.positions)
        generator = torch.Generator().manual_seed(checks.seed_of(seed))
        self.intervention: Intervention = build(config, len(self.layers) * config.groups, width, generator)
        self.head = ClassificationHead(blocks.output_size(model), len(config.labels), generator) if config.labels else None
        self._cached_factors: Factors | None = None
        self._exact_projection: Tensor | None = None
        self.to(next(model.parameters()).device)

    base: nn.Module

    @property
    def trainable_parameters(self) -> int:
        """Number of trainable parameters; a classification head is not counted, as in the paper."""
        return sum(parameter.numel() for parameter in self.intervention.parameters())

    @property
    def pooling(self) -> Pooling:
        """Which hidden state the head reads."""
        return pooling_of(self.reft_config, self.base)

    def plan(
        self,
        attention_mask: Tensor,
        prompt_lengths: Tensor | Sequence[int] | None = None,
        rows: Sequence[int] | None = None,
        marked: Sequence[Sequence[int]] | None = None,
    ) -> EditPlan:
        """Find the tokens to edit, for either padding side.

        Args:
            attention_mask: (B, T), 1 for real tokens; padding on one side of each row.
            prompt_lengths: (B,) prompt tokens of each row without padding; all real tokens by default.
            rows: the rows of the batch to edit; all by default.
            marked: marked tokens of each row, counted from the prompt's first; needed only by the positions ``marked``.

        Raises:
            ConfigError: the mask is invalid, or has a row without real tokens or with padding between them; a prompt is longer than its
                row; a row does not exist; or ``marked`` is missing or does not fit.
        """
        starts, sizes = checks.real_tokens(attention_mask)
        chosen = range(len(sizes)) if rows is None else [checks.whole_number(row, "rows", 0, len(sizes) - 1) for row in rows]
        lengths = sizes if prompt_lengths is None else checks.check_prompt_lengths(prompt_lengths, sizes, chosen)
        marks = checks.check_marked(marked, len(sizes)) if self.positions.reads_text else [()] * len(sizes)
        edited = [UNEDITED] * len(sizes)
        for row in chosen:
            edited[row] = edited_tokens(self.positions, lengths[row], marks[row])
        prompts = Prompts(list(enumerate(starts)), edited, *attention_mask.shape)
        return self.plan_of(prompts, chosen, attention_mask.device)

    def plan_of(self, prompts: Prompts, chosen: Sequence[int] | None, device: torch.device) -> EditPlan:
        """Plan the edited tokens of prompts; with ``chosen``, of the prompts with these indices only."""
        places: tuple[list[tuple[int, int]], ...] = ([], [])
        for index in range(len(prompts.starts)) if chosen is None else chosen:
            row, start = prompts.starts[index]
            for group, tokens in zip(places, prompts.edited[index], strict=True):
                group += [(row, start + token) for token in tokens]
        groups = places if self.reft_config.groups == 2 else (places[0] + places[1],)
        pairs = [torch.tensor(group, dtype=torch.int64, device=device).reshape(-1, 2).unbind(1) for group in groups]
        return EditPlan(
            rows=tuple(row for row, _ in pairs),
            columns=tuple(column for _, column in pairs),
            batch=prompts.batch,
            width=prompts.width,
            begin=min((column for group in groups for _, column in group), default=prompts.width),
            end=max((column + 1 for group in groups for _, column in group), default=0),
            shifted=any(start for _, start in prompts.starts),
        )

    def _mask_and_plan(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        prompt_lengths: Tensor | Sequence[int] | None,
        marked: Sequence[Sequence[int]] | None,
        after_cache: bool,
        labels: Tensor | None = None,
    ) -> tuple[Tensor, EditPlan]:
        """Return the mask and the plan of a batch; by default all tokens are real, and all real tokens belong to the prompt.

        With ``after_cache``, the mask covers the tokens in the cache too. Raises ConfigError for inputs that do not fit together.
        """
        checks.check_ids(input_ids, self.base)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        # A decoder's labels show where the answer follows the prompt; an encoder-decoder's labels are a sequence of their own.
        if labels is not None and prompt_lengths is None and self.can_generate() and not blocks.is_encoder_decoder(self.base):
            prompt_lengths = checks.prompt_lengths_from_labels(labels, mask)
        plan = self.plan(mask, prompt_lengths, marked=marked)
        if plan.batch != len(input_ids) or (plan.width != input_ids.shape[1] and not after_cache):
            raise ConfigError(
                "attention_mask is {mask_shape} and input_ids {shape}.",
                "attention_mask",
                kind="edited.mask_shape",
                mask_shape=tuple(mask.shape),
                shape=tuple(input_ids.shape),
            )
        return mask, plan

    def factors(self) -> Factors:
        """The factors: cached in evaluation mode, computed anew in training mode."""
        if self.training:
            return self.intervention.factors()
        # Another thread may switch the mode meanwhile, so the field is read once.
        factors = self._cached_factors
        if factors is None:
            computed = self.intervention.factors(self._exact_projection)
            factors = self._cached_factors = {name: tuple(value.detach() for value in sites) for name, sites in computed.items()}
        return factors

    def tensors(self) -> dict[str, Tensor]:
        """The edits' weights as stored in a file: float32, stacked layer by layer, G = layers x groups first."""
        weights: dict[str, Tensor] = dict(self.intervention.weights())
        rows = self.intervention.projection() if self._exact_projection is None else self._exact_projection
        if rows is not None:
            weights["projection"] = rows
        return {name: value.detach() for name, value in weights.items()}

    @torch.no_grad()
    def set_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Set weights in the form of `tensors`; the model answers with exactly these until `train()` is called."""
        for name, weight in self.intervention.weights().items():
            weight.copy_(tensors[name])
        self.eval()
        self._cached_factors = None
        if "projection" in tensors:
            # The rows themselves, not those recomputed from their reflections: what is loaded equals what was saved, bit for bit.
            self._exact_projection = tensors["projection"].to(next(self.intervention.parameters()))
            self.intervention.set_projection(self._exact_projection)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # A move to a device also moves the base model, because edits on another device are useless; a cast changes neither.
        target = fn(torch.empty(0, device=self.device)).device
        if target != self.device:
            self.base.to(target)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._cached_factors = None
        if self._exact_projection is not None:
            self._exact_projection = self._exact_projection.to(next(self.parameters()).device)
        return self

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load weights as `nn.Module` does, and clear the cached factors."""
        result = super().load_state_dict(*args, **kwargs)
        self._cached_factors = self._exact_projection = None
        return result

    def train(self, mode: bool = True) -> Self:
        """Switch dropout on or off; the base model always stays in evaluation mode."""
        if mode or self.training:
            self._cached_factors = self._exact_projection = None
        super().train(mode)
        self.base.eval()
        return self

    def edits(
        self, plan: EditPlan, factors: Factors, strength: float = 1.0, dropout: Dropout | None = None, *, compute_zero: bool = False
    ) -> dict[int, blocks.Edit]:  # fmt: skip
        """One edit per layer for `blocks.editing`; none if the plan is empty, or if the strength is 0 and not ``compute_zero``.

        ``dropout`` comes from the caller, so that answers and measurements during a training never use it.

        Raises:
            ConfigError: the strength is not a finite number.
        """
        checks.check_strength(strength)
        if plan.empty or (strength == 0 and not compute_zero):
            return {}
        tokens = PlannedTokens(plan)
        return {
            layer: partial(
                self._edit_layer, tokens=tokens, factors=factors, first_site=index * len(plan.rows), strength=strength, dropout=dropout
            )
            for index, layer in enumerate(self.layers)
        }

    def _edit_layer(
        self,
        h_BTD: Tensor,
        past: int,
        *,
        tokens: PlannedTokens,
        factors: Factors,
        first_site: int,
        strength: float,
        dropout: Dropout | None,
    ) -> Tensor:
        flat = h_BTD.reshape(-1, h_BTD.shape[-1])
        edited = flat
        with exact(flat.device):
            for group, chosen in enumerate(tokens(h_BTD.shape[0], h_BTD.shape[1], past)):
                if chosen.numel():
                    delta = self.intervention.delta(flat.index_select(0, chosen), factors, first_site + group, dropout)
                    edited = edited.index_add(0, chosen, (strength * delta).to(flat.dtype))
        return edited.reshape(h_BTD.shape)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        prompt_lengths: Tensor | Sequence[int] | None = None,
        *,
        marked: Sequence[Sequence[int]] | None = None,
        strength: float = 1.0,
        labels: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the base model with the edits; returns its own output (``.logits``: (B, T, V); of a classifier (B, C)).

        Args:
            input_ids: (B, T).
            attention_mask: (B, T); all ones by default.
            prompt_lengths: (B,) prompt tokens of each row without padding; by default, the tokens before the first of a decoder's
                ``labels`` that is not -100, and without such labels all real tokens.
            marked: as in `plan`.
            strength: factor on the edit; 0 is the base model.
            labels: targets of the output's ``.loss``: as the base model takes them; for a classifier (B,) class indices.
            token_type_ids: (B, T), if the base model takes them.
            **kwargs: passed on to the base model's forward pass.

        Raises:
            ConfigError: unknown token ids, a mask with a gap or an empty row, prompt lengths, marks or labels that do not fit, or a
                strength that is not a number.
        """
        mask, plan = self._mask_and_plan(input_ids, attention_mask, prompt_lengths, marked, "past_key_values" in kwargs, labels)
        token_types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        inputs = {"input_ids": input_ids, "attention_mask": mask, **token_types, **kwargs}
        if plan.shifted and not {"past_key_values", "position_ids"} & inputs.keys():
            inputs |= blocks.position_inputs(self.base, mask)
        checkpointed = self.training and self.is_activation_checkpointing
        if checkpointed and blocks.accepts_argument(self.base, "use_cache"):
            inputs.setdefault("use_cache", False)  # a block that is computed twice would fill the cache twice
        dropout = Dropout(self.reft_config.dropout) if self.training and self.reft_config.dropout else None
        with blocks.editing(self.edits(plan, self.factors(), strength, dropout), checkpointed=checkpointed):
            return self._forward_base(inputs, labels) if self.head is None else self._forward_head(inputs, mask, labels)

    def _forward_base(self, inputs: dict[str, Any], labels: Tensor | None) -> Any:
        if labels is None:
            return self.base(**inputs)
        if not blocks.accepts_argument(self.base, "labels"):
            name = type(blocks.without_peft(self.base)).__name__
            raise ConfigError(
                "{model} has no head that learns from labels; ReftConfig(labels=...) gives the edit one.",
                "labels",
                kind="edited.no_class_head",
                model=name,
            )
        return self.base(**inputs, labels=labels)

    def _forward_head(self, inputs: dict[str, Any], mask_BT: Tensor, labels: Tensor | None) -> SequenceClassifierOutput:
        items = inputs.pop("num_items_in_batch", None)
        logits = self.classes(blocks.last_hidden_states(self.base, inputs), mask_BT)
        if labels is None:
            return SequenceClassifierOutput(logits=logits)
        checks.check_class_labels(labels, *logits.shape)
        loss = F.cross_entropy(logits, labels.long(), reduction="mean" if items is None else "sum")
        return SequenceClassifierOutput(loss=loss if items is None else loss / items, logits=logits)

    def classes(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Class logits (B, C), float32, from the last hidden states. Raises ConfigError if there is no head."""
        if self.head is None:
            raise ConfigError("This edit was trained to answer, not to classify; it has no labels.", "labels", kind="edited.no_labels")
        logits: Tensor = self.head(pool(hidden_BTD, mask_BT, self.pooling))
        return logits

    def classes_of(self, hidden: Sequence[Tensor]) -> Tensor:
        """As `classes`, from a list of the last hidden states (T, D) of each text."""
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(each), device=each.device) for each in hidden], batch_first=True)
        return self.classes(torch.nn.utils.rnn.pad_sequence(list(hidden), batch_first=True), mask)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        prompt_lengths: Tensor | Sequence[int] | None = None,
        *,
        marked: Sequence[Sequence[int]] | None = None,
        strength: float = 1.0,
        **kwargs: Any,
    ) -> Any:
        """Call the base model's own ``generate`` (beams, sampling, batches, any cache) with the prompt's tokens edited.

        Args:
            input_ids: (B, T); padded on the left if the base model is a decoder.
            attention_mask: (B, T); all ones by default.
            prompt_lengths: (B,) prompt tokens of each row; all real tokens by default.
            marked: as in `plan`.
            strength: factor on the edit; 0 is the base model.
            **kwargs: passed on to ``generate``, such as ``max_new_tokens`` or ``num_beams``; it refuses unknown ones with errors of
                its own.

        Returns:
            The token ids that ``generate`` returns, (B * num_return_sequences, T + new); of an encoder-decoder the answers only.

        Raises:
            ConfigError: this is a classifier, or the base model writes no text; a decoder's row is padded after its prompt; or as
                in `forward`.
        """
        check_writes(self.base, [self])
        mask, plan = self._mask_and_plan(input_ids, attention_mask, prompt_lengths, marked, "past_key_values" in kwargs)
        checks.check_generate_options(kwargs)
        if not blocks.is_encoder_decoder(self.base) and not bool(mask[:, -1].all()):
            raise ConfigError(
                "A decoder writes behind its rows, so they must be padded on the left.", "attention_mask", kind="edited.left_padding"
            )
        with blocks.editing(self.edits(plan, self.factors(), strength)):
            return self.base.generate(input_ids=input_ids, attention_mask=mask, **kwargs)  # type: ignore[operator]


def base_of(base_model: nn.Module | Base) -> Any:
    """Return the base model inside a `Base`, or the model itself. Raises ConfigError for an edited model."""
    model = bare_model(base_model)
    if isinstance(model, EditedModel):
        raise ConfigError(
            "This is an edited model already. Give its base model (.base), which any number of edits can share.",
            "base",
            kind="edited.twice",
        )
    return model


def check_writes(model: Any, edits: Sequence[Any]) -> None:
    """Raises ConfigError for a base model or an edit that writes no text."""
    if blocks.is_encoder(model) or any(edit is not None and edit.head is not None for edit in edits):
        raise ConfigError("This model classifies; it writes no answers.", "labels", kind="edited.classifies")
    if not blocks.generates_text(model):
        raise ConfigError(
            "{model} has no head that writes text; it writes no answers.",
            "base",
            kind="edited.no_text_head",
            model=type(blocks.without_peft(model)).__name__,
        )


def combine(edits: Sequence[Mapping[int, blocks.Edit]]) -> dict[int, blocks.Edit]:
    """Merge the edits of several models, each for its own rows, into one edit per layer."""
    if len(edits) == 1:
        return dict(edits[0])
    merged: dict[int, blocks.Edit] = {}
    for layer in sorted({layer for edit in edits for layer in edit}):
        chain = [edit[layer] for edit in edits if layer in edit]
        merged[layer] = partial(_apply_in_order, chain)
    return merged


def _apply_in_order(chain: Sequence[blocks.Edit], h_BTD: Tensor, past: int) -> Tensor:
    for edit in chain:
        h_BTD = edit(h_BTD, past)
    return h_BTD
