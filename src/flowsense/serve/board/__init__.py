"""The dashboard: a picture of the stream, kept beside the pipeline and told to pages."""
