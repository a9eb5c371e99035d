"""What the names in a SELECT can mean: its sources, the columns that `*` has, and the aliases of its list."""

from __future__ import annotations

from dataclasses import dataclass, field

from cutlist.compiler.lineage.origin import Origin, Relation


@dataclass(kw_only=True)
class Source:
    """Something in FROM: its lower-case alias, and its columns; `semi` hides them from `*`."""

    alias: str
    relation: Relation
    semi: bool = False


@dataclass(kw_only=True)
class Scope:
    """What a SELECT has in FROM so far, the columns that `*` has of it, and the aliases of its list so far."""

    sources: list[Source] = field(default_factory=list)
    visible: list[tuple[Source, str, Origin]] = field(default_factory=list)
    aliases: dict[str, Origin] = field(default_factory=dict)

    def add(self, source: Source, using: list[str], words: set[str]) -> list[Origin]:
        """Add a source that is joined to those before; return the columns of both sides that USING names.

        Args:
            using: The columns of USING, in lower case: they stand once in `*`, with the values of the left side.
            words: Of the JOIN, in upper case: with RIGHT they have those of the right side, with FULL of both.
        """
        self.sources.append(source)
        both: list[Origin] = []
        for key in using:
            right = source.relation.find(key)
            at = next((i for i, (_, name, _) in enumerate(self.visible) if name.lower() == key), None)
            left = self.visible[at][2] if at is not None else None
            both += [each for each in (left, right) if each is not None]
            if at is None or left is None or right is None or source.semi:
                continue
            owner, name, _ = self.visible[at]
            if "RIGHT" in words:
                self.visible[at] = (source, name, right)
            elif "FULL" in words:
                together = Origin(name=name, of="", kind="query", text=f"USING ({name})", inputs=(left, right))
                self.visible[at] = (owner, name, together)
        if not source.semi:
            self.visible += [
                (source, name, each) for name, each in source.relation.columns if name.lower() not in using
            ]
        return both

    @property
    def problem(self) -> str:
        """Why some source may have columns that are not known; empty where none has."""
        return next((each.relation.problem for each in self.sources if each.relation.problem), "")

    def find(self, names: list[str]) -> Origin | str | None:
        """Return what a dotted name, in lower case, means here; a problem as text; None where nothing has the name."""
        qualified = [each for each in self.sources if each.alias == names[0]] if len(names) > 1 else []
        if len(qualified) > 1:
            return "several sources have this name"
        for each in qualified:
            found = each.relation.find(names[1])
            if found is not None or each.relation.problem:
                return found or each.relation.problem
        plain = {origin for _, name, origin in self.visible if name.lower() == names[0]}
        plain = plain or {each.relation.hidden[names[0]] for each in self.sources if names[0] in each.relation.hidden}
        plain = plain or {  # the right side of a semi-join, in its ON
            origin
            for each in self.sources
            for name, origin in (each.relation.columns if each.semi else ())
            if name.lower() == names[0]
        }
        if plain:
            return plain.pop() if len(plain) == 1 else "several sources have this column"
        return self.aliases.get(names[0]) or self._of_unknown(names[0]) or self._whole(names)

    def _of_unknown(self, name: str) -> Origin | str | None:
        """Return what a name means that only a source with columns that are not known can have."""
        unknown = [each for each in self.sources if each.relation.problem]
        whole = [each for each in self.sources if each.alias == name]
        if len(unknown) == 1 and (not whole or whole == unknown):
            relation = unknown[0].relation
            return relation.maybe.get(name) or relation.rest or relation.problem
        return "several sources have columns that are not known" if unknown else None

    def _whole(self, names: list[str]) -> Origin | None:
        """Return the row of a source by its alias: all its columns."""
        whole = [each for each in self.sources if each.alias == names[0]]
        if len(whole) != 1 or len(names) > 1:
            return None
        columns = tuple(origin for _, origin in whole[0].relation.columns)
        return Origin(name=names[0], of=names[0], kind="subquery", text=f"the row {names[0]}", inputs=columns)
