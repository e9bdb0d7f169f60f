"""The worked domain: BERT-family models, data modules of texts, and entity metrics."""
