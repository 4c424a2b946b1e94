"""RFC 9421 message signatures of hosts and RFC 9530 Content-Digest, as INTERFACES section 1.1 fixes them.

The gateway calls `claim.parse(headers)`, looks the key up by `Claim.keyid`, then `Claim.check`.
"""
