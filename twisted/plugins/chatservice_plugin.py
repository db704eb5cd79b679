from chatservice.plugin import chat

__all__ = ["chat"]
