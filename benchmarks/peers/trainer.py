"""The Hugging Face Trainer, as its documentation shows it, on the same network and head as `lab` trains."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class MeanPooled(nn.Module):
    """A transformers encoder, the mean over its tokens, and a linear head; returns the loss first, as Trainer wants."""

    def __init__(self, encoder: Any, classes: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.config.hidden_size, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        logits = self.head((hidden * mask).sum(1) / mask.sum(1))
        if labels is None:
            return {"logits": logits}
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class TrainerPeer:
    def __init__(self, task: Any, batch: int, epochs: int, pad_to: int | None = None) -> None:
        from transformers import AutoTokenizer

        from lab.data.backbones import locate_backbone

        self.task, self.batch, self.epochs, self.pad_to = task, batch, epochs, pad_to
        self.folder = locate_backbone("minilm-l6").source
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder)

    def _rows(self, index: np.ndarray) -> list[dict[str, Any]]:
        options: dict[str, Any] = {"padding": "max_length"} if self.pad_to else {}
        texts = [self.task.items.texts[i] for i in index]
        ids = self.tokenizer(texts, truncation=True, max_length=self.pad_to or 128, **options)
        return [
            {"input_ids": ids["input_ids"][i], "attention_mask": ids["attention_mask"][i], "labels": int(label)}
            for i, label in enumerate(self.task.items.labels[index])
        ]

    def _model(self, depth: int) -> MeanPooled:
        from transformers import AutoModel

        torch.manual_seed(0)
        model = MeanPooled(
            AutoModel.from_pretrained(self.folder, add_pooling_layer=False), len(self.task.items.classes)
        )
        for part in [model.encoder.embeddings, *model.encoder.encoder.layer][:depth]:
            part.requires_grad_(False)
        return model

    def _trainer(self, depth: int, rate: float, rows: list[dict[str, Any]], **options: Any) -> tuple[Any, list[float]]:
        from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

        marks: list[float] = []

        class Clock(TrainerCallback):
            def on_epoch_begin(self, *args: Any, **kwargs: Any) -> None:
                marks.append(time.perf_counter())

            def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
                marks.append(time.perf_counter())

        arguments = TrainingArguments(
            output_dir="unused",
            per_device_train_batch_size=self.batch,
            per_device_eval_batch_size=64,
            learning_rate=rate,
            weight_decay=0.01,
            warmup_steps=round(0.1 * self.epochs * len(rows) / self.batch),
            lr_scheduler_type="cosine",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            seed=0,
            remove_unused_columns=False,
            **options,
        )
        collator = DataCollatorWithPadding(self.tokenizer)
        trainer = Trainer(
            model=self._model(depth), args=arguments, train_dataset=rows, data_collator=collator, callbacks=[Clock()]
        )
        trainer.remove_callback(PrinterCallback)
        return trainer, marks

    def warm_up(self, depth: int) -> None:
        trainer, _ = self._trainer(depth, 1e-5, self._rows(self.task.train[: 2 * self.batch]), num_train_epochs=1)
        trainer.train()

    def run(self, depth: int, rate: float) -> Any:
        from frozen_depth import Timed

        trainer, marks = self._trainer(depth, rate, self._rows(self.task.train), num_train_epochs=self.epochs)
        trainer.train()
        found = trainer.predict(self._rows(self.task.test)).predictions
        accuracy = float((found.argmax(1) == self.task.items.labels[self.task.test]).mean())
        epochs = [end - begin for begin, end in zip(marks[::2], marks[1::2], strict=True)]
        return Timed(sum(epochs) / len(epochs), accuracy)
