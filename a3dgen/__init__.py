"""a3dgen: synthetic amputee training data for human mesh recovery, with exact labels."""

__version__ = "0.1.0"
