"""Tasks that ``pipeline_tag`` may name, and those that a class of transformers is made for.

Facts carried over from https://huggingface.co/tasks and from the ``Auto`` classes of transformers 5.
"""

from __future__ import annotations

TASKS = frozenset(
    """
    text-classification token-classification table-question-answering question-answering zero-shot-classification
    translation summarization feature-extraction text-generation text2text-generation fill-mask sentence-similarity
    text-to-speech text-to-audio automatic-speech-recognition audio-to-audio audio-classification
    audio-text-to-text voice-activity-detection depth-estimation image-classification object-detection
    image-segmentation text-to-image image-to-text image-to-image image-to-video unconditional-image-generation
    video-classification reinforcement-learning robotics tabular-classification tabular-regression tabular-to-text
    table-to-text multiple-choice text-ranking text-retrieval time-series-forecasting text-to-video
    image-text-to-text image-text-to-image image-text-to-video visual-question-answering
    document-question-answering zero-shot-image-classification graph-ml mask-generation
    zero-shot-object-detection text-to-3d image-to-3d image-feature-extraction video-text-to-text
    keypoint-detection visual-document-retrieval any-to-any video-to-video other
    """.split()
)

_BY_CLASS_ENDING = (
    ("ForCausalLM", "AutoModelForCausalLM", "text-generation"),
    ("LMHeadModel", "AutoModelForCausalLM", "text-generation"),
    ("ForMaskedLM", "AutoModelForMaskedLM", "fill-mask"),
    ("ForSequenceClassification", "AutoModelForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "AutoModelForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "AutoModelForQuestionAnswering", "question-answering"),
    ("ForMultipleChoice", "AutoModelForMultipleChoice", "multiple-choice"),
    ("ForImageClassification", "AutoModelForImageClassification", "image-classification"),
    ("ForObjectDetection", "AutoModelForObjectDetection", "object-detection"),
    ("ForSemanticSegmentation", "AutoModelForSemanticSegmentation", "image-segmentation"),
    ("ForDepthEstimation", "AutoModelForDepthEstimation", "depth-estimation"),
    ("ForVideoClassification", "AutoModelForVideoClassification", "video-classification"),
    ("ForAudioClassification", "AutoModelForAudioClassification", "audio-classification"),
    ("ForSpeechSeq2Seq", "AutoModelForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("ForCTC", "AutoModelForCTC", "automatic-speech-recognition"),
    ("WhisperForConditionalGeneration", "AutoModelForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("VLForConditionalGeneration", "AutoModelForImageTextToText", "image-text-to-text"),
    ("T5ForConditionalGeneration", "AutoModelForSeq2SeqLM", "text2text-generation"),
    ("BartForConditionalGeneration", "AutoModelForSeq2SeqLM", "text2text-generation"),
    ("MarianMTModel", "AutoModelForSeq2SeqLM", "translation"),
)


def of_architecture(name: str) -> tuple[str, str | None]:
    """The ``Auto`` class that loads architecture ``name``, and its task; ``("AutoModel", None)`` when not known."""
    for ending, auto_class, task in _BY_CLASS_ENDING:
        if name.endswith(ending):
            return auto_class, task
    return "AutoModel", None
