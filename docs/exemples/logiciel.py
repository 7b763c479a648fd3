"""Un logiciel de paie qui agit pour un déclarant sans connaître son mot de passe.

    MAG=https://mag.example.fr CLIENT_ID=ma-paie python logiciel.py cle         une fois : crée la clé, affiche ce qu'il faut inscrire
    MAG=https://mag.example.fr CLIENT_ID=ma-paie python logiciel.py autoriser   une fois par déclarant : affiche un code, attend sa réponse
    MAG=https://mag.example.fr CLIENT_ID=ma-paie python logiciel.py jeton       à chaque traitement : un jeton de quelques minutes

Il lui faut deux bibliothèques : pip install joserfc requests
"""

import base64
import hashlib
import json
import os
import sys
import time
import uuid
from pathlib import Path

import requests
from joserfc import jwt
from joserfc.jwk import ECKey

MAG, CLIENT_ID = os.environ["MAG"], os.environ["CLIENT_ID"]
CLE, AUTORISATION = Path("cle.json"), Path("autorisation.json")
PORTEES = "openid siret offline_access habilitations:dsn"
APPAREIL, PORTEUR = "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def garder(chemin, valeur):
    """Lisible par ce compte seul. En production : le coffre du système, ou une clé qui ne sort pas d'un module matériel."""
    chemin.touch(mode=0o600)
    chemin.write_text(json.dumps(valeur))


def cle():
    return ECKey.import_key(json.loads(CLE.read_text()))


def signe(en_tete, contenu):
    return jwt.encode({"alg": "ES256", **en_tete}, {"iat": int(time.time()), "jti": str(uuid.uuid4()), **contenu}, cle())


def preuve(methode, adresse, jeton=""):
    """RFC 9449 : je tiens la clé à laquelle le jeton est lié."""
    ath = {"ath": base64.urlsafe_b64encode(hashlib.sha256(jeton.encode()).digest()).rstrip(b"=").decode()} if jeton else {}
    return signe({"typ": "dpop+jwt", "jwk": cle().as_dict(private=False)}, {"htm": methode, "htu": adresse, **ath})


def demande(chemin, **champs):
    """Un appel à MAG : le logiciel s'authentifie par sa clé (RFC 7523), et prouve celle de ses jetons."""
    contenu = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": MAG, "exp": int(time.time()) + 60}
    qui_je_suis = {"client_assertion_type": ASSERTION, "client_assertion": signe({}, contenu)}
    reponse = requests.post(MAG + chemin, data={**champs, **qui_je_suis}, headers={"DPoP": preuve("POST", MAG + chemin)}, timeout=10)
    return reponse.status_code, reponse.json()


def autoriser():
    """RFC 8628 : le déclarant saisit un code chez MAG, avec le navigateur de son choix, et répond."""
    _, demandee = demande("/device_authorization", scope=PORTEES)
    print(f"Ouvrez {demandee['verification_uri']} et saisissez le code {demandee['user_code']}", flush=True)
    while True:
        time.sleep(demandee["interval"])
        statut, reponse = demande("/token", grant_type=APPAREIL, device_code=demandee["device_code"])
        if statut == 200:
            break
        if reponse["error"] not in ("authorization_pending", "slow_down"):
            sys.exit(f"Refusé : {reponse['error']}")
        demandee["interval"] += 5 if reponse["error"] == "slow_down" else 0
    sub = json.loads(base64.urlsafe_b64decode(reponse["id_token"].split(".")[1] + "=="))["sub"]
    garder(AUTORISATION, {"sub": sub, "grant_id": reponse["grant_id"]})
    print("Autorisé.")


def jeton():
    """RFC 7523 : une assertion signée, cinq minutes au plus, contre un jeton. invalid_grant : le déclarant a retiré ce logiciel."""
    garde = json.loads(AUTORISATION.read_text())
    assertion = signe({}, {"iss": CLIENT_ID, "aud": MAG, "exp": int(time.time()) + 60, **garde})
    statut, reponse = demande("/token", grant_type=PORTEUR, assertion=assertion)
    if statut != 200:
        sys.exit(f"Refusé : {reponse['error']}")
    return reponse["access_token"]


if __name__ == "__main__":
    if sys.argv[1:] == ["cle"]:
        garder(CLE, ECKey.generate_key("P-256", {"kid": str(uuid.uuid4()), "use": "sig"}, private=True).as_dict(private=True))
        print(json.dumps({"keys": [cle().as_dict(private=False)]}))
    elif sys.argv[1:] == ["autoriser"]:
        autoriser()
    elif sys.argv[1:] == ["jeton"]:
        acces = jeton()
        print(acces)
        en_tetes = {"Authorization": f"DPoP {acces}", "DPoP": preuve("GET", f"{MAG}/userinfo", acces)}
        qui = requests.get(f"{MAG}/userinfo", headers=en_tetes, timeout=10)
        print(qui.json()["siret"])
    else:
        sys.exit(__doc__)
