"""Weight merging: several descendants of one model made into one, tensor by tensor, against their common ancestor.

``run.merge`` is the way in. A ``recipe`` says what is merged and how; ``inputs`` opens it; ``plan`` decides for each
tensor whether a side is taken as it is or a method of ``methods`` is applied, or that neither can be (``conflicts``);
``stream`` does the arithmetic a tile at a time; ``carry`` looks after tokenizer, configuration and the other files.
"""
