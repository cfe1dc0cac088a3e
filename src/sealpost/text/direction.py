"""Words of others within our own: each keeps the direction that it is read in, and gives ours none.

For the templates of pages and of mails in HTML. In a sentence of ours a Hebrew subject would otherwise take the brackets and
numbers beside it to its other end (Unicode's bidirectional algorithm, UAX 9; HTML, section 4.5.24). Texts without HTML
have no such element, and no invisible marks in its place: mail programs and filters disagree on them.
"""

from markupsafe import Markup, escape


def bdi(text: str) -> Markup:
    """The text as HTML, escaped, in an element whose direction is that of its first letter with one.

    Args:
        text: what somebody else wrote: a subject, a name, an address, a file's name, a server's words.
    """
    return Markup("<bdi>{}</bdi>").format(escape(text))
