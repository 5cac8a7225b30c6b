"""Errors that are sentences for a person: what is wrong, with which file, and what to do."""


class InputError(Exception):
    """Input that st_vlm refuses: a missing file, a malformed table, an unknown name, an impossible request.

    The message is one or two sentences and names the file or item. The command line prints it without a traceback
    and exits with code 2; loops over many items catch it, report the item at the end and go on.
    """
