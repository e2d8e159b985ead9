"""Keys of the issuer as pages see them: versions on both sides, orders that two persons agreed to, the key desk.

No key comes here, and no passphrase: the web service plans and asks, the key
desk (`cardswitch keys follow-plan`, a process of its own beside the key house)
does what two persons have agreed to, and reports.
"""
