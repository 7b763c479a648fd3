"""A filter of SCIM, turned into a condition on the rows of the directory (RFC 7644 section 3.4.2.2).

ours: names are compared as MAG compares identities, folded; what a database cannot answer from a column is refused as `invalidFilter`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from scim2_models import InvalidFilterException
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)
from sqlalchemy import String, and_, cast, false, func, not_, or_, true

from idp.declarants.identite import fold
from idp.declarants.statuts import Statut

USER_NAME = re.compile(r"([^.@]+)\.([^.@]+)@(\d{14})")
MOST_TERMS = 40
"""Of one filter."""
Condition = Any
Op = CompareOperator


def unsupported(what: str) -> InvalidFilterException:
    return InvalidFilterException(detail=f"{what} is not supported")


def named(path: AttrPath) -> str:
    """An attribute without its schema, in lower case: two schemas share no name here."""
    return (path.attr + (f".{path.sub_attr}" if path.sub_attr else "")).lower()


class Sql(FilterVisitor[Condition]):
    """Conditions on the columns of `Annuaire`. Nothing is ever NULL: `not` says the contrary, whatever is missing."""

    def __init__(self, columns: Any, find: Callable[[str], str | None]) -> None:
        self.c, self.find, self.terms = columns, find, 0
        siret = func.substr(cast(columns.siret + 10**14, String), 2)
        spelt = func.replace(func.replace(columns.cle, " ", "-"), "|", ".") + "@" + siret
        self.email, self.external = func.lower(func.coalesce(columns.email, "")), func.coalesce(columns.external_id, "")
        self.comparisons: Mapping[str, Callable[[Op, Any], Condition]] = {
            "id": self._id,
            "externalid": lambda op, value: self._exact(self.external, op, value),
            "username": lambda op, value: self._user_name(spelt, op, value),
            "name.familyname": lambda op, value: self._name(op, value, "{}|%", "{}|%"),
            "name.givenname": lambda op, value: self._name(op, value, "%|{}", "%|{}"),
            "emails": lambda op, value: self._text(self.email, op, value),
            "emails.value": lambda op, value: self._text(self.email, op, value),
            "emails.type": lambda op, value: self._same(op, value, "work"),
            "emails.primary": lambda op, value: self._same(op, value, True),
            "active": self._active,
            "siret": lambda op, value: self._exact(siret, op, value),
            "statut": lambda op, value: self._exact(columns.statut, op, value),
            "role": lambda op, value: self._exact(columns.role, op, value),
            "meta.created": lambda op, value: self._instant(columns.created, op, value),
            "meta.lastmodified": lambda op, value: self._instant(columns.modified, op, value),
            "meta.resourcetype": lambda op, value: true() if self._equal(op, value == "User") else false(),
        }

    def visit(self, node: FilterNode) -> Condition:
        self.terms += 1
        if self.terms > MOST_TERMS:
            raise InvalidFilterException(detail=f"a filter has {MOST_TERMS} terms at most")
        return super().visit(node)

    def visit_comparison(self, node: Comparison) -> Condition:
        name = named(node.attr_path)
        compare = self.comparisons.get(name)
        if compare is None:
            raise unsupported(f"comparing {name}")
        if isinstance(node.value, str) and not _storable(node.value):
            raise InvalidFilterException(detail="a value holds a character that nothing here has")
        if node.op is Op.ne:
            return not_(compare(Op.eq, node.value))
        return compare(node.op, node.value)

    def visit_present(self, node: Present) -> Condition:
        name = named(node.attr_path)
        if name in ("externalid", "emails", "emails.value"):
            return (self.external if name == "externalid" else self.email) != ""
        if name in self.comparisons or name in ("name", "meta", "name.formatted", "schemas"):
            return true()
        raise unsupported(f"the presence of {name}")

    def visit_not(self, node: Not) -> Condition:
        return not_(self.visit(node.expr))

    def visit_logical_expr(self, node: LogicalExpr) -> Condition:
        join = and_ if node.op is LogicalOperator.and_ else or_
        return join(*(self.visit(term) for term in node.terms))

    def visit_value_path(self, node: ValuePath) -> Condition:
        """`emails[type eq "work" and value co "@"]`: a person has one address, so each term is of that one."""
        if named(node.attr_path) != "emails":
            raise unsupported(f"selecting among {named(node.attr_path)}")
        return and_(self.email != "", self.visit(_under("emails", node.val_filter)))

    # ------------------------------------------------------------------------------------------------------------ comparisons

    def _equal(self, op: Op, same: bool) -> bool:
        if op is not Op.eq:
            raise unsupported(f"the operator {op.value} on this attribute")
        return same

    def _same(self, op: Op, value: Any, ours: Any) -> Condition:
        """What is the same for everybody who has an address."""
        return and_(self.email != "", true() if self._equal(op, value == ours) else false())

    def _id(self, op: Op, value: Any) -> Condition:
        self._equal(op, same=True)
        uid = self.find(value) if isinstance(value, str) and value else None
        return self.c.uid == uid if uid is not None else false()

    def _active(self, op: Op, value: Any) -> Condition:
        self._equal(op, same=True)
        if not isinstance(value, bool):
            return false()
        active = self.c.statut == Statut.ACTIF.value
        return active if value else not_(active)

    def _user_name(self, spelt: Any, op: Op, value: Any) -> Condition:
        if op is not Op.eq or not isinstance(value, str):
            return self._text(spelt, op, value)
        parts = USER_NAME.fullmatch(value.lower())
        if parts is None:
            return false()
        cle = f"{parts[1]}|{parts[2]}".replace("-", " ")
        return and_(self.c.cle == cle, self.c.siret == int(parts[3]))

    def _name(self, op: Op, value: Any, equal: str, around: str) -> Condition:
        """The nom comes before the bar of the key, the prénom after; neither holds one, nor a joker of LIKE."""
        wanted = fold(value) if isinstance(value, str) else ""
        spelt = {Op.eq: wanted, Op.sw: f"{wanted}%", Op.ew: f"%{wanted}", Op.co: f"%{wanted}%"}.get(op)
        if spelt is None:
            raise unsupported(f"the operator {op.value} on a name")
        if not wanted:
            return false()
        return self.c.cle.like((equal if op is Op.eq else around).format(spelt))

    def _text(self, column: Any, op: Op, value: Any) -> Condition:
        """Without regard to case, of texts that are in ASCII."""
        return self._exact(column, op, value.lower() if isinstance(value, str) else value)

    def _exact(self, column: Any, op: Op, value: Any) -> Condition:
        """Letter by letter: SQLite's LIKE would not look at the case."""
        if not isinstance(value, str) or not value:
            return false()
        if op is Op.eq:
            return column == value
        if op is Op.co:
            return func.replace(column, value, "") != column
        if op is Op.sw:
            return func.substr(column, 1, len(value)) == value
        if op is Op.ew:
            return and_(func.length(column) >= len(value), func.substr(column, func.length(column) - len(value) + 1) == value)
        raise unsupported(f"the operator {op.value} on this attribute")

    def _instant(self, column: Any, op: Op, value: Any) -> Condition:
        at = _read_instant(value)
        compare = {
            Op.eq: column.__eq__,
            Op.gt: column.__gt__,
            Op.ge: column.__ge__,
            Op.lt: column.__lt__,
            Op.le: column.__le__,
        }.get(op)
        if compare is None or at is None:
            raise unsupported(f"the operator {op.value} with this value on an instant")
        return compare(at)


def _read_instant(value: Any) -> datetime | None:
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _storable(text: str) -> bool:
    """Neither NUL nor half a character: no column holds one, and PostgreSQL refuses to be asked."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


def _under(attr: str, node: FilterNode) -> FilterNode:
    """The terms of a selection, as terms on the attribute it selects among."""
    if isinstance(node, Comparison):
        return Comparison(_inside(attr, node.attr_path), node.op, node.value)
    if isinstance(node, Present):
        return Present(_inside(attr, node.attr_path))
    if isinstance(node, Not):
        return Not(_under(attr, node.expr))
    if isinstance(node, LogicalExpr):
        return LogicalExpr(node.op, tuple(_under(attr, term) for term in node.terms))
    raise unsupported("a selection in a selection")


def _inside(attr: str, path: AttrPath) -> AttrPath:
    return AttrPath(attr, path.attr)
