"""Makes a model of the kind that torchtune calls llama3_2, a hundredth of its smallest one, with its tokenizer, and a dataset: python tiny_llama.py FOLDER."""

import base64
import json
import os
import sys

import torch
from safetensors.torch import save_file
from torchtune.models import convert_weights
from torchtune.models.llama3_2 import llama3_2

folder = sys.argv[1]
for name in ("model/original", "dataset"):
    os.makedirs(f"{folder}/{name}", exist_ok=True)
torch.manual_seed(1)
shape = dict(vocab_size=128256, num_layers=2, num_heads=4, num_kv_heads=2, embed_dim=32, max_seq_len=256, intermediate_dim=64)
weights = convert_weights.tune_to_hf(llama3_2(**shape).state_dict(), num_heads=4, num_kv_heads=2, dim=32)
save_file({k: v.contiguous() for k, v in weights.items()}, f"{folder}/model/model.safetensors", {"format": "pt"})
with open(f"{folder}/model/config.json", "w") as file:
    json.dump({"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 32, "vocab_size": 128256}, file)
with open(f"{folder}/model/original/tokenizer.model", "w") as file:
    file.writelines(f"{base64.b64encode(bytes([i])).decode()} {i}\n" for i in range(256))
with open(f"{folder}/dataset/data.json", "w") as file:
    json.dump([{"input": f"Count to {n}.", "output": " ".join(map(str, range(1, n + 1)))} for n in range(1, 17)], file)
