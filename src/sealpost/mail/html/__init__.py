"""Letters in HTML: what is one, what of it is taken, and how a mail shows it (contract, section 3).

A letter is never altered: what would load, run, send, hide or overlay is refused, all of it at once and each with its
place. In order: `detect` says whether a body is HTML; `tree` reads it as browsers do; `sheet` and `style` read its style;
`visible` computes how each text would be painted; `check` decides; `show` writes the part that stands in a mail.
"""
