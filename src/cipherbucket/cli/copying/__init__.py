"""What ``cp`` and ``sync`` do: objects copied from folders, to folders and between stores.

Rule: one object that fails stops no other; a signal stops all within a second or two; what is
written below a folder stays below it. It imports ``options`` and ``terminal`` and no command. A
new direction of ``sync`` is a class in ``sync_directions``, one of ``cp`` a method in
``one_object`` and in ``tree``.
"""
