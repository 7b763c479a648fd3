"""The e-mail address: is it of the company, of a free provider, of a disposable one, and does it serve many companies? (fact 74)

Lists: `disposable-email-domains` (a package that follows its own source week after week) and `data/gratuits.txt`, ours
(docs/decisions/0009). Left out on purpose: asking the network whether the domain exists; the link that was followed proves it.
"""

from difflib import SequenceMatcher
from functools import lru_cache
from importlib.resources import files

from disposable_email_domains import blocklist

from idp.declarants.controles.dossier import Dossier
from idp.declarants.controles.verdict import Finding, Verdict
from idp.declarants.identite import fold

ALIKE = 0.72
"""Likeness of a domain and a name, from 0 to 1, beyond which they are of one company. Measured on the test pairs."""
FORMS = frozenset({"sa", "sas", "sasu", "sarl", "eurl", "sci", "snc", "scop", "scp", "selarl", "ste", "societe", "groupe", "entreprise"})
"""Legal forms and words that tell no company from another."""
SHORTEST_WORD = 4
MANY_COMPANIES = 5


@lru_cache(maxsize=1)
def free_providers() -> frozenset[str]:
    """Domains where anybody has an address."""
    text = files("idp.declarants.controles").joinpath("data/gratuits.txt").read_text("utf-8")
    return frozenset(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def parents(domain: str) -> list[str]:
    """The domain and those above it, but for the last label: `a.b.fr`, `b.fr`."""
    labels = domain.split(".")
    return [".".join(labels[i:]) for i in range(len(labels) - 1)]


def is_disposable(domain: str) -> bool:
    return any(one in blocklist for one in parents(domain))


def is_free(domain: str) -> bool:
    return any(one in free_providers() for one in parents(domain))


def resembles(domain: str, noms: tuple[str, ...]) -> bool:
    """Whether a domain tells the name of a company: a whole word of it, its initials, or nearly its name."""
    labels = [fold(label).replace(" ", "") for label in domain.split(".")[:-1]]
    return any(_tells(label, nom) for label in labels for nom in noms if label)


def _tells(label: str, nom: str) -> bool:
    every = fold(nom).split()
    words = [word for word in every if word not in FORMS]
    whole, initials = "".join(words), {"".join(word[0] for word in some) for some in (every, words)}
    if label == whole or (len(label) > 2 and label in initials):
        return True
    if any(len(word) >= SHORTEST_WORD and word in label for word in words):
        return True
    return len(label) >= SHORTEST_WORD and SequenceMatcher(None, label, whole, autojunk=False).ratio() >= ALIKE


# ------------------------------------------------------------------------------------------------------------------- rules


def jetable(dossier: Dossier) -> Finding:
    """An address that dies within the hour proves nothing, and cannot be written to afterwards."""
    subject, source = dossier.subject, "liste des messageries jetables (disposable-email-domains)"
    known = is_disposable(subject.domain)
    allowed = dossier.allowed() if known else None
    if known and allowed is None:
        says = "L'adresse électronique est d'une messagerie jetable."
        return dossier.finding("courriel.jetable", Verdict.BLOCK, says, source, domaine=subject.domain)
    says = "Le domaine est jetable, mais une liste l'autorise." if allowed else "Le domaine n'est pas celui d'une messagerie jetable."
    reason = {"autorisé_par": allowed.proprietaire, "motif": allowed.motif} if allowed else {}
    return dossier.finding("courriel.jetable", Verdict.PASS, says, source, domaine=subject.domain, **reason)


def domaine(dossier: Dossier) -> Finding:
    """The domain and the company. A public body has a domain of its own: one that writes from a free provider is to be called."""
    subject, fiche = dossier.subject, dossier.fiche
    noms = fiche.noms if fiche else ()
    known = {"domaine": subject.domain, "noms_de_l'entreprise": ", ".join(noms) or "inconnus"}
    source = f"{dossier.rcd}, liste des messageries gratuites de MAG"
    allowed = dossier.allowed()
    if allowed:
        says = "Une liste autorise cette adresse ou son domaine."
        known |= {"autorisé_par": allowed.proprietaire, "motif": allowed.motif}
        return dossier.finding("courriel.domaine", Verdict.PASS, says, source, **known)
    if is_free(subject.domain):
        public = bool(fiche and fiche.publique)
        says = "Un organisme public utilise une messagerie gratuite." if public else "L'adresse est d'une messagerie gratuite."
        return dossier.finding("courriel.domaine", Verdict.MANUAL if public else Verdict.WARN, says, source, **known)
    if is_of_company(dossier):
        return dossier.finding("courriel.domaine", Verdict.PASS, "Le domaine ressemble au nom de l'entreprise.", source, **known)
    return dossier.finding("courriel.domaine", Verdict.WARN, "Le domaine ne ressemble pas au nom de l'entreprise.", source, **known)


def is_of_company(dossier: Dossier) -> bool:
    """Whether the domain is the company's own: no provider's, and it tells its name; or that of the State, for a public body."""
    domain, fiche = dossier.subject.domain, dossier.fiche
    if is_free(domain) or is_disposable(domain) or fiche is None:
        return False
    return resembles(domain, fiche.noms) or (fiche.publique and domain.endswith(".gouv.fr"))


def repete(dossier: Dossier) -> Finding:
    """One address for many companies is a tiers déclarant, or somebody who inscribes the companies of others."""
    count, known = dossier.entreprises_du_courriel, {"autres_entreprises": str(dossier.entreprises_du_courriel)}
    source = "identités inscrites"
    if count == 0:
        return dossier.finding("courriel.repete", Verdict.PASS, "L'adresse ne sert à aucune autre entreprise.", source, **known)
    if dossier.subject.profil.tiers:
        says = "L'adresse sert à d'autres entreprises, comme celle d'un tiers déclarant."
        return dossier.finding("courriel.repete", Verdict.PASS, says, source, **known)
    verdict = Verdict.MANUAL if count >= MANY_COMPANIES else Verdict.WARN
    return dossier.finding("courriel.repete", verdict, "L'adresse est déjà inscrite pour d'autres entreprises.", source, **known)
