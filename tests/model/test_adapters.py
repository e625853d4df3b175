"""MMS: a language's adapter is the start, it and the head learn alone, and transformers reads what is saved."""

import pytest
import torch
from safetensors.torch import load_file
from shapes import batch_of, model_of
from transformers import Wav2Vec2ForCTC

from asr_helpers.model.adapters import save_adapter
from asr_helpers.model.loading import load_for_ctc
from asr_helpers.model.processor import make_processor

URDU = "urd-script_arabic"
VOCAB = {"[PAD]": 0, "[UNK]": 1, "|": 2, "ا": 3, "ب": 4}


@pytest.fixture(scope="module")
def mms(tmp_path_factory):
    """A checkpoint with the adapters of two languages beside it, which have letters of their own."""
    folder = tmp_path_factory.mktemp("mms")
    model_of("mms").save_pretrained(folder)
    for seed, language in ((7, URDU), (8, "fas")):
        save_adapter(model_of("mms", seed=seed, vocab_size=9 + seed), folder, language)
    return folder


def load(folder, **options):
    processor = make_processor(VOCAB, folder / "letters", checkpoint=folder)
    return load_for_ctc(folder, processor=processor, head_seed=1, **options)


def test_it_begins_with_the_adapter_of_the_language_and_asks_no_other_gradient(mms):
    model, plain = load(mms, adapter_language=URDU), model_of("mms")
    base, theirs = plain.state_dict(), load_file(mms / f"adapter.{URDU}.safetensors")
    learn = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learn == set(theirs) and len(learn) == 2 * 6 + 2  # two layers of 6 weights, the head
    for name, value in model.state_dict().items():
        if not name.startswith("lm_head."):
            assert torch.equal(value, theirs.get(name, base[name])), name
    assert model.lm_head.out_features == len(VOCAB)


@pytest.mark.parametrize("which", ["pickled", "safe"])
def test_weights_beside_adapters_load_however_they_are_stored(mms, tmp_path, which):
    """Adapters are safetensors in any case, also where the weights themselves are a pytorch_model.bin."""
    plain = model_of("mms")
    plain.config.save_pretrained(tmp_path)
    (tmp_path / f"adapter.{URDU}.safetensors").write_bytes((mms / f"adapter.{URDU}.safetensors").read_bytes())
    if which == "pickled":
        torch.save(plain.state_dict(), tmp_path / "pytorch_model.bin")
    else:
        plain.save_pretrained(tmp_path)
    ours, theirs = load(tmp_path, adapter_language=URDU), load(mms, adapter_language=URDU)
    assert all(torch.equal(value, ours.state_dict()[name]) for name, value in theirs.state_dict().items())


def test_transformers_reads_a_saved_adapter_as_one_of_its_own(mms, tmp_path):
    trained = load(mms, adapter_language=URDU).eval()
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.add_(0.01)
    save_adapter(trained, tmp_path, "my-urdu")
    other = load(mms, adapter_language="fas")  # another start: all that was trained must be in the file
    other.save_pretrained(tmp_path)
    plain = Wav2Vec2ForCTC.from_pretrained(tmp_path, target_lang="my-urdu").eval()
    batch = batch_of("mms", (8_000,))
    with torch.no_grad():
        torch.testing.assert_close(plain(**batch).logits, trained(**batch).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "language", "said"),
    [
        ("mms", "hin", "no adapter.hin.safetensors: adapter_language is 'hin', and there are fas, urd-script_arabic"),
        ("xls-r", URDU, "has no adapters: leave adapter_language empty"),
    ],
)
def test_what_is_not_there_is_named(mms, tmp_path, shape, language, said):
    if shape != "mms":
        model_of(shape).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=said):
        load(mms if shape == "mms" else tmp_path, adapter_language=language)


def test_the_adapter_of_another_model_is_refused(mms, tmp_path):
    model_of("mms").save_pretrained(tmp_path)
    save_adapter(model_of("mms", adapter_attn_dim=8), tmp_path, URDU)
    with pytest.raises(ValueError, match="adapter of another model"):
        load(tmp_path, adapter_language=URDU)
