"""HTTP and WebSocket on the port.

`channel` reads requests, and `exchange` is one request with its response. `site` decides what
answers a path. `wsconnection` is a connection that has become a WebSocket.
"""
