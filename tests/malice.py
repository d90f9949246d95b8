"""What a pickle from elsewhere could hold."""

import os


class Malice:
    """Its unpickling makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)
