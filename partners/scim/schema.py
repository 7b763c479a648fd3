"""The one resource that MAG serves, with the types of scim2-models: what a partner reads and writes of a person.

Implements RFC 7643 sections 3, 4.1, 5, 6 and 7, and RFC 9865 section 4. ours: the attributes that have a meaning here and no other; an
identity is fixed once made, and so is the address that its owner proved. Left out on purpose: groups (section 4.2), since rights are not
sets of people; the enterprise extension (section 4.3). Imported at the first request that needs it, never at the start of a process.
"""

from functools import lru_cache
from typing import Annotated, Any

from scim2_models import (
    URI,
    URN,
    AnyExtension,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    Context,
    ETag,
    Extension,
    External,
    Filter,
    Meta,
    Mutability,
    Pagination,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    Schema,
    SchemaExtension,
    ScimPolicy,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)

PAGE, LONGEST_PAGE = 100, 200
"""People of a page, when nothing is said, and at most."""
POLICY = ScimPolicy(unknown=ScimPolicy.Unknown.ignore, remove_value_as_filter=ScimPolicy.RemoveValue.apply)
"""Connectors send what their other services want: what MAG does not keep is left out."""
ANSWER = Context.RESOURCE_QUERY_RESPONSE
Immutable = Mutability.immutable
ReadOnly = Mutability.read_only


class Nom(ComplexAttribute):
    formatted: Annotated[str | None, ReadOnly] = None
    """Prénom et nom."""

    family_name: Annotated[str | None, Immutable, Required.true] = None
    """Nom, comparé sans regard pour les accents ni la casse."""

    given_name: Annotated[str | None, Immutable, Required.true] = None
    """Prénom, comparé de même."""


class Adresse(ComplexAttribute):
    value: Annotated[str | None, Immutable, Required.true] = None
    """Adresse électronique. La personne seule la change, en la prouvant."""

    type: Annotated[str | None, Immutable] = None
    """Toujours work."""

    primary: Annotated[bool | None, Immutable] = None
    """Toujours true : une personne a une adresse."""


class Declarant(Extension):
    """Ce que MAG dit en plus d'une personne."""

    __schema__ = URN("urn:ietf:params:scim:schemas:extension:mag:1.0:Declarant")

    siret: Annotated[str | None, Immutable, Required.true, CaseExact.true] = None
    """SIRET de l'établissement pour lequel la personne agit."""

    statut: Annotated[str | None, ReadOnly] = None
    """invite (l'invitation attend), actif ou suspendu."""

    role: Annotated[str | None, ReadOnly] = None
    """declarant, administrateur ou administrateur_declarant."""


class User(Resource[AnyExtension]):
    """Une personne d'une entreprise qui a confié la gestion de ses comptes au partenaire."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, ReadOnly, Uniqueness.server] = None
    """nom.prenom@siret, en minuscules sans accents, les espaces en tirets : MAG le compose."""

    name: Annotated[Nom | None, Immutable, Required.true] = None
    """L'identité, fixe une fois inscrite."""

    emails: Annotated[list[Adresse] | None, Immutable, Required.true] = None
    """L'adresse professionnelle."""

    active: bool | None = None
    """false suspend, true lève la suspension ; toujours false tant que l'invitation attend."""


Utilisateur: Any = User[Annotated[Declarant, Required.true]]
"""The composed model: what `/Users` reads and answers."""
DECLARANT = str(Declarant.__schema__)


def composed(extension: Declarant, **values: Any) -> Any:
    """One person as an instance of the model."""
    return Utilisateur(**values, **{DECLARANT: extension})


# ---------------------------------------------------------------------------------------------------------------- discovery


def provider_config(at: str) -> ServiceProviderConfig:
    """RFC 7643 section 5, RFC 9865 section 4."""
    scheme = AuthenticationScheme(
        type=AuthenticationScheme.Type.oauthbearertoken,
        name="OAuth 2.0",
        description="Jeton d'accès du partenaire (client_credentials, scope scim), lié à une clé (DPoP) ou non",
        spec_uri=Reference[External]("https://www.rfc-editor.org/info/rfc6750"),
        primary=True,
    )
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=LONGEST_PAGE),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        authentication_schemes=[scheme],
        pagination=Pagination(
            cursor=True,
            index=True,
            default_pagination_method=Pagination.DefaultPaginationMethod.index,
            default_page_size=PAGE,
            max_page_size=LONGEST_PAGE,
        ),
        meta=Meta(resource_type="ServiceProviderConfig", location=f"{at}/ServiceProviderConfig"),
    )


def resource_types(at: str) -> list[ResourceType]:
    """RFC 7643 section 6."""
    extension = SchemaExtension(schema=Reference[URI](DECLARANT), required=True)
    return [
        ResourceType(
            id="User",
            name="User",
            endpoint=Reference[URI]("/Users"),
            description="Personnes des entreprises confiées",
            schema=Reference[URI](str(User.__schema__)),
            schema_extensions=[extension],
            meta=Meta(resource_type="ResourceType", location=f"{at}/ResourceTypes/User"),
        )
    ]


def schemas(at: str) -> list[Schema]:
    """RFC 7643 section 7."""
    found = [User.to_schema(), Declarant.to_schema()]
    for one in found:
        one.meta = Meta(resource_type="Schema", location=f"{at}/Schemas/{one.id}")
    return found


@lru_cache(maxsize=8)
def discovery(at: str) -> dict[str, dict[str, Any]]:
    """Every document that says what there is, by its address under `at`."""
    config = provider_config(at).model_dump(scim_ctx=ANSWER)
    found = {"ServiceProviderConfig": config}
    for name, every in (("ResourceTypes", resource_types(at)), ("Schemas", schemas(at))):
        told = [one.model_dump(scim_ctx=ANSWER) for one in every]
        found[name] = listed(told, len(told), 1)
        found |= {f"{name}/{one['id']}": one for one in told}
    return found


def listed(told: list[dict[str, Any]], total: int, first: int | None, **cursor: str) -> dict[str, Any]:
    """RFC 7644 section 3.4.2: a page of results; RFC 9865 section 2: with the cursor of the next one."""
    start = {"startIndex": first} if first is not None else {}
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "itemsPerPage": len(told),
        **start,
        **cursor,
        "Resources": told,
    }
