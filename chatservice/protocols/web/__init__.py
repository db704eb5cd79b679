"""HTTP and WebSocket on the port.

* `channel` reads requests, and `exchange` is one request with its response. `webconnection` is the
  connection, as sessions and transfers know it; `wsconnection` is one that has become a WebSocket.
* `site` gives a request to the part that answers its path: `api`, for a `webuser`; `webfiles`, with
  `chunkedupload`; `pagefiles` and `frontpage`; `usage`; `metrics`.
* `origins`, `proxies`, `safeheaders`: whose pages may use the server; the users behind a proxy; the
  headers of each response.
* `branding`, `colors`, `appicon`: the name and the look that an operator gives to the page.
"""
