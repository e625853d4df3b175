import pytest
import torch
from small_checkpoint import LETTERS, SMALL, tokenizer
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A fine-tuned, a pretrained and a pickled checkpoint with the same encoder, and the first one's tokenizer."""
    root = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(3)
    tuned = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL))
    pretrained = Wav2Vec2ForPreTraining(Wav2Vec2Config(**SMALL))
    pretrained.wav2vec2.load_state_dict(tuned.wav2vec2.state_dict())
    tuned.save_pretrained(root / "tuned")
    pretrained.save_pretrained(root / "pretrained")
    (root / "pickled").mkdir()
    published = {  # the names of 2020, in which wav2vec2-base still lies on the Hub
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in pretrained.state_dict().items()
    }
    torch.save(published, root / "pickled" / "pytorch_model.bin")
    pretrained.config.save_pretrained(root / "pickled")
    tokenizer(root / "tuned", LETTERS)
    return root
