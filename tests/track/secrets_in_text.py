"""Real-looking secrets, drawn when the tests run so that none stands in a file; and texts that hold none."""

from __future__ import annotations

import base64
import json
import random
import string
from typing import NamedTuple

LETTERS = string.ascii_letters
WORD = LETTERS + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
URL = WORD + "-_"
BASE64 = WORD + "+/"


class Sample(NamedTuple):
    """A secret in a text as people meet it."""

    kind: str
    text: str
    secret: str


def draw(alphabet: str, size: int, seed: str) -> str:
    """As many characters, always the same for a seed; a digit and both cases if the alphabet has them."""
    chance = random.Random(f"{seed} {size}")
    while True:
        found = "".join(chance.choices(alphabet, k=size))
        kinds = (str.isdigit, str.islower, str.isupper)
        if all(any(map(kind, found)) for kind in kinds if any(map(kind, alphabet))):
            return found


def tokens() -> list[Sample]:
    """Secrets that tell by their shape what they are."""
    shapes = {
        "AWS access key": ("AKIA", UPPER, 16),
        "AWS temporary key": ("ASIA", UPPER, 16),
        "GitHub personal": ("ghp_", WORD, 36),
        "GitHub OAuth": ("gho_", WORD, 36),
        "GitHub app": ("ghs_", WORD, 36),
        "GitHub fine-grained": ("github_pat_", WORD + "_", 82),
        "GitLab": ("glpat-", URL, 20),
        "Slack bot": ("xoxb-", string.digits, 12),
        "Slack user": ("xoxp-", WORD + "-", 50),
        "OpenAI old": ("sk-", WORD, 48),
        "OpenAI project": ("sk-proj-", URL, 100),
        "Anthropic": ("sk-ant-api03-", URL, 95),
        "OpenRouter": ("sk-or-v1-", HEX, 64),
        "DeepSeek": ("sk-", HEX, 32),
        "Hugging Face": ("hf_", LETTERS, 34),
        "W&B new": ("wandb_v1_", URL, 77),
        "W&B local": ("local-", HEX, 40),
        "Google": ("AIza", URL, 35),
        "Google client": ("GOCSPX-", URL, 28),
        "Stripe live": ("sk_live_", WORD, 24),
        "npm": ("npm_", WORD, 36),
        "PyPI": ("pypi-AgEIcHlwaS5vcmc", URL, 150),
        "Docker": ("dckr_pat_", URL, 27),
        "Databricks": ("dapi", HEX, 32),
        "Groq": ("gsk_", WORD, 52),
        "Vault": ("hvs.", WORD, 95),
        "SendGrid": ("SG." + draw(WORD, 22, "sg") + ".", WORD, 43),
    }
    found = []
    for kind, (prefix, alphabet, size) in shapes.items():
        rest = draw(alphabet, size, kind)
        found.append(Sample(kind, f"{prefix}{rest}", rest))
    return found


def framed() -> list[Sample]:
    """Secrets that tell by what stands around them; no line breaks, so that they fit an argument."""
    found: list[Sample] = []

    def add(kind: str, form: str, alphabet: str, size: int) -> None:
        secret = draw(alphabet, size, kind)
        found.append(Sample(kind, form.replace("{}", secret), secret))

    add("AWS secret", "{}", BASE64, 40)
    add("AWS secret by name", "aws_secret_access_key = {}", BASE64, 40)
    add("W&B key by name", "wandb.api_key={}", HEX, 40)
    add("W&B key in JSON", '{"WANDB_API_KEY": "{}"}', HEX, 40)
    add("short password", "password=x{}", LOWER, 5)
    add("password with spaces", 'db_password: "two words {}"', LOWER, 9)
    add("password in a URL", "postgresql://ada:{}@db.example.org:5432/runs", WORD, 12)
    add("password with @ in a URL", "mongodb+srv://ada:p@{}@db.example.org/runs?retry=true", WORD, 12)
    add("password with / in a URL", "redis://:a/b{}@cache:6379/0", WORD, 12)
    add("token as user in a URL", "https://{}@sentry.example.org/12", HEX, 32)
    add("connection string", "Server=db;User Id=ada;Password={};Encrypt=yes", WORD, 12)
    add("connection string, short", "DRIVER={SQL};UID=ada;PWD={};", WORD, 12)
    add("Azure account key", "DefaultEndpointsProtocol=https;AccountKey={}==;Endpoint=x", BASE64, 86)
    add("Azure key alone", "{}==", BASE64, 86)
    add("Azure shared access", "https://a.blob.core.windows.net/c?sv=2024&sig={}&se=2026", WORD, 43)
    add("S3 signature", "https://b.s3.amazonaws.com/k?X-Amz-Date=2026&X-Amz-Signature={}", HEX, 64)
    add("bearer", "Authorization: Bearer {}", WORD + "._", 40)
    add("bearer in a dict", "{'Authorization': 'Bearer {}', 'Accept': '*/*'}", WORD, 40)
    add("basic", '"authorization": "Basic {}="', BASE64, 30)
    add("bearer alone", "curl -H 'bearer {}'", WORD, 30)
    add("header", "x-api-key: {}", LOWER, 20)
    add("cookie", "Cookie: session={}", LOWER, 30)
    add("option", "python train.py --hf-token {} --lr 1", LOWER, 20)
    add("option in a list", "['train.py', '--api_key', '{}', 'lr=1']", LOWER, 20)
    add("option with =", "--client-secret={}", LOWER, 20)
    add("argument of a call", "Namespace(lr=1, hf_token='{}', seed=2)", LOWER, 20)
    add("escaped JSON", r"{\"auth\": {\"password\": \"{}\"}}", LOWER, 20)
    add("token", "token={}", WORD, 24)
    add("key", "key: {}", WORD, 32)
    add("netrc", "machine api.wandb.ai login user password {}", HEX, 40)
    add("Slack webhook", "https://hooks.slack.com/services/{}", UPPER, 44)
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in _JWT]
    found.append(Sample("JWT", ".".join([*parts, draw(URL, 43, "jwt")]), draw(URL, 43, "jwt")))
    return found


_JWT = ({"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890", "name": "Ada", "iat": 1516239022})


def pem(kind: str = "RSA PRIVATE KEY") -> tuple[str, list[str]]:
    """A private key, and its lines."""
    lines = [draw(BASE64, 64, f"pem{n}") for n in range(6)]
    frame = f"-----{{}} {kind}-----"
    return "\n".join([frame.format("BEGIN"), *lines, frame.format("END")]), lines


INNOCENT = (
    "3fc1d3ce0a2c6e8c0cbbc3b0d0a4ab3b0a3e7a51",
    "commit=3fc1d3ce0a2c6e8c0cbbc3b0d0a4ab3b0a3e7a51",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "python:3.11@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    "d41d8cd98f00b204e9800998ecf8427e",
    "20260101-120000-lr=1e-5_seed=1-ab12",
    "123e4567-e89b-12d3-a456-426614174000",
    "sentence-transformers/all-MiniLM-L6-v2",
    "bert-base-uncased",
    "meta-llama/Llama-3.1-8B-Instruct",
    "sk-learn-text-classification-baseline-2024",
    "/home/ada/projects/bert-bbc/data/train.csv",
    "/mnt/data2/Users/Ada/Corpora/News2024/Parts/0001/texts.parquet",
    "s3://bucket/prefix/checkpoints/epoch=3-step=1200.ckpt",
    "hf_transformers_cache_folder",
    "git@github.com:example/runs.git",
    "https://github.com/example/runs/commit/3fc1d3ce0a2c6e8c0cbbc3b0d0a4ab3b0a3e7a51",
    "http://localhost:5000/#/experiments/1",
    "http://localhost:8080/user@v2/x",
    "https://registry.example.org/@scope/package?version=2",
    "ada@example.org",
    "mask_token: [MASK], pad_token=[PAD], max_tokens=512, tokens: 12345678",
    "special_tokens_map.json tokenizer_config.json",
    "api_key_env: WANDB_API_KEY",
    "hf_token: ${oc.env:HF_TOKEN}",
    "password: null, token: None, secret=False",
    "password_file=/run/secrets/db",
    "sort_key=val/f1, key=train/loss_epoch, PWD=/home/ada",
    "val/f1=0.9312 train/loss=0.1271 lr-AdamW=2e-05",
    "the bearer of this message, authorized personnel, cookie cutter",
    "KeyError: 'val/f1'",
    "    raise ValueError(f\"`key` must be one of {', '.join(keys)} but got {key!r}\")",
    "bypass=3 compass: north author=Ada monkey=7 pattern=1 tokenizer=fast",
    "pypi-server npm_config_cache sk_learn local-rank=0 xoxo AIza AKIA",
)
