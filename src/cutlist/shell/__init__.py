"""The SQL shell: what is typed, completed, run and shown. Knows a session, and commands by their names.

| file | what is in it |
|---|---|
| `shell` | the loop: statements of SQL, commands with a dot |
| `typed` | text → statements and commands |
| `prompt` | editing, history, keys |
| `toolbar` | what stands below: tables, and rows and features of the last query |
| `completion` | names of the live catalog, with what they are |
| `answers` | a result as a table that fits the terminal |
| `cells` | a value as a short text; a medium as what a probe said of it |
| `pictures` | media as pictures in the cells |
"""

from cutlist.shell.shell import Shell

__all__ = ["Shell"]
