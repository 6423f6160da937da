"""The ``.gitattributes`` of a new repo: which files are kept outside git."""

_SUFFIXES = (
    "7z arrow avro bin bin.* bz2 ckpt ftz gguf gz h5 joblib keras lz4 mlmodel model msgpack npy npz onnx ot "
    "parquet params pb pickle pkl pt pth rar safetensors tar.* tar tflite tgz wasm xz zip zst *tfevents*"
).split()
_MEDIA = "aac aiff flac gif jpeg jpg mp3 mp4 ogg opus pcm png raw tiff wav webm webp pdf".split()

LARGE_PATTERNS = tuple(suffix if "*tfevents" in suffix else f"*.{suffix}" for suffix in _SUFFIXES)
MEDIA_PATTERNS = tuple(f"*.{suffix}" for suffix in _MEDIA)

GITATTRIBUTES = "".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in (*LARGE_PATTERNS, "saved_model/**/*")
).encode()
