<?php

// Debian's packages stand where Composer's vendor/ does elsewhere.
require '/usr/share/php/Symfony/Bundle/FrameworkBundle/autoload.php';
require __DIR__.'/../src/Kernel.php';
require __DIR__.'/../src/Controller/DownloadController.php';

use Symfony\Component\HttpFoundation\Request;

$kernel = new App\Kernel('prod', false);
$request = Request::createFromGlobals();
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
