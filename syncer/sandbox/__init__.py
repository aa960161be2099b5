"""Both APIs on loopback, for `syncer demo`, `syncer sandbox` and the tests. Nothing here ever leaves the machine.

`world` is the state, `calendly` and `engagelab` are the two APIs over it, `page` is for people, `server` runs them.
Where the documentation leaves a question open, the sandbox takes the answer that is harder on a client.
"""
