<?php
/**
 * Un site qui se connecte avec MAG, en PHP 8.1 ou plus récent, sans bibliothèque ni cadre : les quatre routes du contrat (docs/contrat.md),
 * et une page protégée. À essayer avec : MAG=… SITE=… CLIENT=… SECRET=… CLE=… DOSSIER=… php -S 127.0.0.1:8000 site.php
 *
 * CLE : 32 caractères au hasard, ou plus, que seul votre site connaît. DOSSIER : un dossier que seul votre site lit, hors des pages.
 * Laissé de côté : le renouvellement des jetons, les habilitations. Chaque fonction se copie seule dans un cadre.
 */

declare(strict_types=1);

// PHP fait un tableau de `nom[]=…` : ce qui n'est pas un texte n'a pas été envoyé.
[$_GET, $_POST, $_COOKIE] = array_map(fn ($lot) => array_filter($lot, 'is_string'), [$_GET, $_POST, $_COOKIE]);

define('MAG', getenv('MAG'));
define('SITE', getenv('SITE'));
define('CLIENT', getenv('CLIENT'));
define('SECRET', getenv('SECRET'));
define('CLE', hash('sha256', 'transaction:' . getenv('CLE'), true));
define('DOSSIER', getenv('DOSSIER'));
const PORTEES = 'openid profile siret';
const TRANSACTION = '__Host-mag-tx-';
const DUREE = 600;          // secondes pour finir une connexion
const ECART = 60;           // secondes d'écart tolérées entre deux horloges
const SESSION = 12 * 3600;  // secondes que vit une session, et pendant lesquelles sa fin est retenue
const EVENEMENT = 'http://schemas.openid.net/event/backchannel-logout';

/** Une demande qui n'est pas accordée : le code est pour les scripts, la phrase pour la personne, la cause pour le journal. */
class Refus extends Exception
{
    public function __construct(public string $code_erreur, public int $statut, public string $phrase, string $cause)
    {
        parent::__construct($cause);
    }
}

function perdue(string $cause): Refus
{
    return new Refus('transaction_lost', 400, 'La connexion a été interrompue : elle a duré plus de dix minutes, elle a déjà servi, ou votre '
        . 'navigateur n\'a pas gardé les cookies de ce site. Recommencez.', $cause);
}

// ------------------------------------------------------------------------------------------------------------------ textes

function b64(string $octets): string
{
    return rtrim(strtr(base64_encode($octets), '+/', '-_'), '=');
}

function octets(string $texte): string
{
    return (string) base64_decode(strtr($texte, '-_', '+/'));
}

function hasard(): string
{
    return b64(random_bytes(32));
}

/** Scelle ce que le navigateur garde : lui seul le rapporte, nous seuls le lisons (AES-256-GCM). */
function sceller(array $valeur): string
{
    $iv = random_bytes(12);
    $texte = json_encode($valeur + ['fin' => time() + DUREE]);
    $chiffre = openssl_encrypt($texte, 'aes-256-gcm', CLE, OPENSSL_RAW_DATA, $iv, $sceau);
    return b64($iv . $sceau . $chiffre);
}

function desceller(string $texte): ?array
{
    $o = octets($texte);
    $clair = strlen($o) > 28 ? openssl_decrypt(substr($o, 28), 'aes-256-gcm', CLE, OPENSSL_RAW_DATA, substr($o, 0, 12), substr($o, 12, 16)) : false;
    $valeur = $clair === false ? null : json_decode($clair, true);
    return $valeur && $valeur['fin'] > time() ? $valeur : null;
}

/** Un chemin de ce site, ou celui par défaut : ni //ailleurs, ni /\ailleurs, ni javascript:… */
function chemin_du_site(string $texte): string
{
    return preg_match('~^/(?!/)[\x21-\x5b\x5d-\x7e]{0,999}$~D', $texte) ? $texte : '/espace';
}

function poser_cookie(string $nom, string $valeur, int $duree): void
{
    setcookie($nom, $valeur, ['expires' => $duree ? time() + $duree : 1, 'path' => '/', 'secure' => true, 'httponly' => true, 'samesite' => 'Lax']);
}

// --------------------------------------------------------------------------------------------------------------------- MAG

/** Statut et objet JSON ; un statut 0 quand MAG ne répond pas. Aucune redirection n'est suivie. */
function appeler(string $url, array $champs = [], string $autorisation = ''): array
{
    $entetes = "Accept: application/json\r\n" . ($autorisation ? "Authorization: $autorisation\r\n" : '');
    $options = ['ignore_errors' => true, 'timeout' => 10, 'follow_location' => 0, 'header' => $entetes];
    if ($champs) {
        $options = ['method' => 'POST', 'content' => http_build_query($champs), 'header' => $entetes . "Content-Type: application/x-www-form-urlencoded\r\n"]
            + $options;
    }
    $texte = @file_get_contents($url, false, stream_context_create(['http' => $options]));
    $statut = $texte === false ? 0 : (int) explode(' ', $http_response_header[0])[1];
    return [$statut, json_decode((string) $texte, true) ?: []];
}

/** Un document public de MAG, gardé une heure. `encore` : il vient peut-être de changer. */
function document(string $url, bool $encore = false): array
{
    $fichier = DOSSIER . '/' . hash('sha256', $url) . '.json';
    $age = is_file($fichier) ? time() - filemtime($fichier) : PHP_INT_MAX;
    if ($age > ($encore ? 10 : 3600)) {
        [$statut, $lu] = appeler($url);
        if ($statut !== 200) {
            throw new Refus('temporarily_unavailable', 503, 'Le service d\'authentification ne répond pas. Réessayez dans quelques instants.', "$url : $statut");
        }
        file_put_contents($fichier, json_encode($lu), LOCK_EX);
    }
    return json_decode(file_get_contents($fichier), true);
}

function point(string $nom): string
{
    $document = document(MAG . '/.well-known/openid-configuration');
    if ($document['issuer'] !== MAG) {
        throw perdue('découverte d\'un autre émetteur');
    }
    return $document[$nom];
}

function cle_publique(string $kid): string
{
    foreach ([false, true] as $encore) {
        foreach (document(point('jwks_uri'), $encore)['keys'] as $cle) {
            if ($cle['kid'] === $kid && $cle['kty'] === 'EC' && $cle['crv'] === 'P-256') {
                $der = hex2bin('3059301306072a8648ce3d020106082a8648ce3d030107034200') . "\x04" . octets($cle['x']) . octets($cle['y']);
                return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . '-----END PUBLIC KEY-----';
            }
        }
    }
    throw perdue('clé inconnue');
}

/** Une signature ES256 est deux nombres de 32 octets ; OpenSSL les attend en DER. */
function der(string $signature): string
{
    $nombres = '';
    foreach (str_split($signature, 32) as $nombre) {
        $nombre = ltrim($nombre, "\0");
        $nombre = ($nombre === '' || ord($nombre[0]) > 127 ? "\0" : '') . $nombre;
        $nombres .= "\x02" . chr(strlen($nombre)) . $nombre;
    }
    return "\x30" . chr(strlen($nombres)) . $nombres;
}

/** L'en-tête et le contenu d'un jeton que MAG a signé en ES256, pour nous, et qui vaut maintenant. */
function verifier(string $jeton): array
{
    $parts = explode('.', $jeton);
    $entete = count($parts) === 3 ? json_decode(octets($parts[0]), true) : null;
    $signature = count($parts) === 3 ? octets($parts[2]) : '';
    if (($entete['alg'] ?? '') !== 'ES256' || !is_string($entete['kid'] ?? null) || strlen($signature) !== 64) {
        throw perdue('ce n\'est pas un jeton ES256');
    }
    if (openssl_verify("$parts[0].$parts[1]", der($signature), cle_publique($entete['kid']), OPENSSL_ALGO_SHA256) !== 1) {
        throw perdue('signature fausse');
    }
    $contenu = json_decode(octets($parts[1]), true);
    if (($contenu['iss'] ?? '') !== MAG || !in_array($contenu['aud'] ?? '', [CLIENT, [CLIENT]], true)) {
        throw perdue('jeton d\'un autre émetteur, ou pour un autre site');
    }
    if (!is_int($contenu['exp'] ?? null) || !is_int($contenu['iat'] ?? null) || $contenu['exp'] <= time() - ECART || $contenu['iat'] > time() + ECART) {
        throw new Refus('clock_skew', 500, 'Le serveur de ce site n\'est pas à l\'heure. Prévenez son assistance.', 'exp ou iat : ce serveur est-il à l\'heure ?');
    }
    return [$entete, $contenu];
}

// ---------------------------------------------------------------------------------------------------------------- sessions

function finie(string $sid): string
{
    return DOSSIER . '/finie-' . hash('sha256', $sid);
}

/** La session de ce navigateur : un nom au hasard, rien de plus. Celle dont MAG a dit la fin est vidée. */
function ouvrir_session(): void
{
    session_name('__Host-site');
    session_set_cookie_params(['path' => '/', 'secure' => true, 'httponly' => true, 'samesite' => 'Lax']);
    session_start(['use_strict_mode' => true, 'cache_limiter' => '', 'save_path' => DOSSIER, 'gc_probability' => 1, 'gc_divisor' => 100]);
    if (isset($_SESSION['sid']) && (is_file(finie($_SESSION['sid'])) || $_SESSION['depuis'] < time() - SESSION)) {
        $_SESSION = [];
    }
}

/** Crée un fichier vide, une seule fois : faux s'il existait. Les anciens sont oubliés au passage. */
function retenir(string $fichier): bool
{
    foreach (glob(DOSSIER . '/{finie,avis}-*', GLOB_BRACE) as $ancien) {
        if (@filemtime($ancien) < time() - SESSION) {
            @unlink($ancien);
        }
    }
    $ouvert = @fopen($fichier, 'x');
    return $ouvert !== false && fclose($ouvert);
}

// ---------------------------------------------------------------------------------------------------------------- réponses

function repondre_json(array $valeur, int $statut = 200): void
{
    http_response_code($statut);
    header('Content-Type: application/json');
    echo json_encode($valeur, JSON_UNESCAPED_SLASHES);
}

function aller(string $adresse): void
{
    header("Location: $adresse", true, 303);
}

function page(string $titre, string $texte, int $statut, string $tete = ''): void
{
    http_response_code($statut);
    header('Content-Type: text/html; charset=utf-8');
    $texte = htmlspecialchars($texte);
    echo "<!doctype html><html lang=\"fr\"><meta charset=\"utf-8\"><title>$titre</title>$tete<main><h1>$titre</h1><p>$texte</p>"
        . '<p><a href="/auth/mag/start">Se connecter avec MAG</a> · <a href="/">Accueil</a></p></main></html>';
}

/** La dernière page d'une fenêtre : un script de MAG, dont l'empreinte est vérifiée, passe le message à la page qui l'a ouverte. */
function page_de_fenetre(string $titre, string $texte, int $statut, array $message): void
{
    $fichier = 'mag-done.js';
    foreach (document(MAG . '/widget/releases.json')['releases'] as $version) {
        if ($version['version'] === '1.1.0') {
            $empreinte = $version['files'][$fichier]['integrity'];
        }
    }
    header("Content-Security-Policy: default-src 'none'; script-src " . MAG . "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    $json = json_encode($message, JSON_UNESCAPED_SLASHES | JSON_HEX_TAG);
    page($titre, $texte, $statut, "<script type=\"application/json\" id=\"mag-done\">$json</script>"
        . '<script type="module" crossorigin="anonymous" integrity="' . $empreinte . '" src="' . MAG . "/widget/1.1.0/$fichier\"></script>");
}

function refuser(Refus $refus, ?array $transaction): void
{
    $reference = bin2hex(random_bytes(4));
    error_log("connexion refusée [$reference] {$refus->code_erreur} : {$refus->getMessage()}");
    $dit = ['error' => $refus->code_erreur, 'correlation_id' => $reference];
    if ($_SERVER['REQUEST_METHOD'] === 'POST') {
        repondre_json($dit, max(400, $refus->statut));
    } elseif (($transaction['mode'] ?? '') === 'popup') {
        page_de_fenetre('Connexion interrompue', "{$refus->phrase} Référence : $reference", $refus->statut, ['flow' => $transaction['flow']] + $dit);
    } else {
        page('Connexion interrompue', "{$refus->phrase} Référence : $reference", $refus->statut);
    }
}

// ------------------------------------------------------------------------------------------------------------------ routes

/** GET /auth/mag/start */
function commencer(): void
{
    $mode = $_GET['mode'] ?? 'redirect';
    $flow = $_GET['flow'] ?? '';
    $par_script = in_array($mode, ['fedcm', 'inline'], true);
    $ecoutee = $mode !== 'popup' || preg_match('/^[A-Za-z0-9_-]{8,64}$/D', $flow);
    if (!in_array($mode, ['redirect', 'popup', 'fedcm', 'inline'], true) || !$ecoutee || ($_GET['iss'] ?? MAG) !== MAG) {
        throw new Refus('invalid_request', 400, 'Ce lien ne permet pas de se connecter à ce site.', 'mode, flow ou iss');
    }
    if ($par_script && ($_SERVER['HTTP_SEC_FETCH_SITE'] ?? 'same-origin') !== 'same-origin') {
        throw new Refus('invalid_request', 403, 'Cette demande ne vient pas de ce site.', 'script d\'un autre site');
    }
    $t = ['state' => hasard(), 'nonce' => hasard(), 'verifier' => hasard(), 'mode' => $mode, 'flow' => $flow];
    $t['return_to'] = chemin_du_site($_GET['return_to'] ?? '');
    $demande = ['response_type' => 'code', 'redirect_uri' => SITE . '/auth/mag/callback', 'scope' => PORTEES, 'state' => $t['state'], 'nonce' => $t['nonce'],
        'code_challenge' => b64(hash('sha256', $t['verifier'], true)), 'code_challenge_method' => 'S256'];
    if ($mode !== 'fedcm') { // qui donne ses indices lui-même
        $demande += array_intersect_key(array_filter($_GET, 'is_string'), ['login_hint' => 1, 'siret_hint' => 1, 'prompt' => 1, 'ui_locales' => 1]);
    }
    $reponse = $par_script ? null : point('authorization_endpoint') . '?' . http_build_query(['client_id' => CLIENT] + $demande);
    $anciennes = array_filter(array_keys($_COOKIE), fn ($nom) => str_starts_with((string) $nom, TRANSACTION));
    foreach (array_slice($anciennes, 0, max(0, count($anciennes) - 4)) as $nom) {
        poser_cookie($nom, '', 0);
    }
    poser_cookie(TRANSACTION . $t['state'], sceller($t), DUREE);
    $reponse === null ? repondre_json(['callback' => '/auth/mag/callback', 'params' => $demande]) : aller($reponse);
}

/** GET ou POST /auth/mag/callback : la réponse de MAG à la question de ce navigateur, une fois. */
function revenir(): void
{
    $poste = $_SERVER['REQUEST_METHOD'] === 'POST';
    $recu = array_map(fn ($valeur) => is_string($valeur) ? $valeur : '', $poste ? $_POST : $_GET);
    $site = $_SERVER['HTTP_SEC_FETCH_SITE'] ?? (($_SERVER['HTTP_ORIGIN'] ?? '') === SITE ? 'same-origin' : 'inconnu');
    if ($poste && $site !== 'same-origin') {
        throw new Refus('invalid_request', 403, 'Cette demande ne vient pas de ce site.', 'réponse postée d\'ailleurs');
    }
    $state = $recu['state'] ?? '';
    $t = preg_match('/^[A-Za-z0-9_-]{43}$/D', $state) ? desceller($_COOKIE[TRANSACTION . $state] ?? '') : null;
    if (!$t || !hash_equals($t['state'], $state) || in_array($t['mode'], ['fedcm', 'inline'], true) !== $poste) {
        throw perdue('aucune transaction de ce nom dans ce navigateur');
    }
    poser_cookie(TRANSACTION . $state, '', 0);
    try {
        connecter($t, $recu);
    } catch (Refus $refus) {
        refuser($refus, $t);
        return;
    }
    if ($t['mode'] === 'redirect') {
        aller($t['return_to']);
    } elseif ($poste) {
        repondre_json(['return_to' => $t['return_to']]);
    } else {
        page_de_fenetre('Connexion réussie', 'Cette fenêtre se ferme.', 200, ['flow' => $t['flow'], 'return_to' => $t['return_to']]);
    }
}

/** Échange le code, vérifie l'identité, ouvre une session neuve. Lève Refus. */
function connecter(array $t, array $recu): void
{
    if (!hash_equals(MAG, $recu['iss'] ?? '')) {
        throw perdue('iss'); // RFC 9207
    }
    if (($recu['error'] ?? '') === 'access_denied') {
        throw new Refus('access_denied', 200, 'Vous avez abandonné la connexion.', 'la personne a renoncé');
    }
    if (!isset($recu['code'])) {
        throw new Refus('server_error', 400, 'Le service d\'authentification n\'a pas pu répondre.', 'MAG a répondu ' . json_encode($recu['error'] ?? ''));
    }
    $qui = 'Basic ' . base64_encode(rawurlencode(CLIENT) . ':' . rawurlencode(SECRET));
    [$statut, $jetons] = appeler(point('token_endpoint'), ['grant_type' => 'authorization_code', 'code' => $recu['code'],
        'code_verifier' => $t['verifier'], 'redirect_uri' => SITE . '/auth/mag/callback'], $qui);
    if ($statut !== 200) {
        throw perdue("code refusé : $statut " . ($jetons['error'] ?? ''));
    }
    [, $identite] = verifier($jetons['id_token']);
    $moitie = b64(substr(hash('sha256', $jetons['access_token'], true), 0, 16));
    if (!hash_equals($t['nonce'], $identite['nonce'] ?? '') || ($identite['azp'] ?? CLIENT) !== CLIENT || ($identite['at_hash'] ?? $moitie) !== $moitie) {
        throw perdue('nonce, azp ou at_hash');
    }
    [$statut, $personne] = appeler(point('userinfo_endpoint'), [], "Bearer {$jetons['access_token']}");
    if ($statut !== 200 || $personne['sub'] !== $identite['sub']) {
        throw perdue("userinfo : $statut");
    }
    session_regenerate_id(true); // ce que le navigateur présentait avant ne vaut plus rien
    $_SESSION = ['sid' => $identite['sid'], 'depuis' => time(), 'personne' => $personne];
}

/** GET /auth/mag/session */
function session(): void
{
    $sid = $_SESSION['sid'] ?? null;
    repondre_json(['active' => $sid !== null, 'sid_hint' => $sid === null ? null : substr(hash('sha256', $sid), 0, 12)]);
}

/** POST /auth/mag/backchannel-logout : MAG, et non un navigateur, dit qu'une session est finie. */
function apprendre_la_fin(): void
{
    try {
        [$entete, $avis] = verifier(is_string($_POST['logout_token'] ?? null) ? $_POST['logout_token'] : '');
    } catch (Refus $refus) {
        repondre_json(['error' => $refus->statut === 503 ? 'temporarily_unavailable' : 'invalid_request'], $refus->statut === 503 ? 503 : 400);
        return;
    }
    $est_un_avis = strtolower($entete['typ'] ?? '') === 'logout+jwt' && is_array($avis['events'][EVENEMENT] ?? null) && !isset($avis['nonce']);
    if (!$est_un_avis || !is_string($avis['sid'] ?? null) || !is_string($avis['jti'] ?? null) || !retenir(DOSSIER . '/avis-' . hash('sha256', $avis['jti']))) {
        repondre_json(['error' => 'invalid_request'], 400);
        return;
    }
    retenir(finie($avis['sid']));
}

header('Cache-Control: no-store');
header('Referrer-Policy: no-referrer');
header('X-Content-Type-Options: nosniff');
$route = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
try {
    if ($route === 'POST /auth/mag/backchannel-logout') {
        apprendre_la_fin();
        return;
    }
    ouvrir_session();
    match ($route) {
        'GET /auth/mag/start' => commencer(),
        'GET /auth/mag/callback', 'POST /auth/mag/callback' => revenir(),
        'GET /auth/mag/session' => session(),
        'GET /espace' => isset($_SESSION['personne'])
            ? repondre_json(['nom' => $_SESSION['personne']['name'], 'siret' => $_SESSION['personne']['siret']]) : aller('/auth/mag/start?return_to=/espace'),
        'GET /' => page('Mon portail', 'Bienvenue.', 200),
        default => page('Page introuvable', 'Cette page n\'existe pas.', 404),
    };
} catch (Refus $refus) {
    refuser($refus, null);
}
